//! x
#![allow(clippy::print_stdout)]
fn main() {
    for path in std::env::args().skip(1) {
        let data = std::fs::read(&path).unwrap();
        let elf = mapscope_binary::Elf::parse(&data).unwrap();
        let table = mapscope_binary::Pclntab::find_in(&elf).unwrap();
        let t = std::time::Instant::now();
        let sites = mapscope_runtime::crash::sites(&elf, &table, false);
        println!("== {path} {} {:?}", sites.len(), t.elapsed());
        for s in sites {
            println!("  {} {} {:?} {:?}", s.at, s.function, s.kind, s.message);
        }
    }
}
