module repro

go 1.21
