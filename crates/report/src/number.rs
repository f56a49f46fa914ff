//! Numbers, sizes and times as text.

use std::io::Write;
use std::time::Duration;

/// A signed integer.
pub(crate) fn int(out: &mut Vec<u8>, n: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// An unsigned integer.
pub(crate) fn uint(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// An unsigned integer with its digits grouped: `5,000,000`.
pub(crate) fn count(out: &mut Vec<u8>, n: u64) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(n).as_bytes();
    for (i, &digit) in digits.iter().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(b',');
        }
        out.push(digit);
    }
}

/// An address: `0xc000012345`.
pub(crate) fn addr(out: &mut Vec<u8>, addr: u64) {
    out.extend_from_slice(b"0x");
    let digits = (64 - addr.leading_zeros()).div_ceil(4).max(1);
    for i in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(addr >> (4 * i)) as usize & 15]);
    }
}

/// Appends what `write!` makes. Writing to a `Vec` does not fail.
fn format(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A size in bytes by powers of 1024: `17 B`, `1.2 MiB`.
pub(crate) fn bytes(out: &mut Vec<u8>, n: u64) {
    if n < 1024 {
        return format(out, format_args!("{n} B"));
    }
    let mut scaled = n as f64 / 1024.0;
    let mut unit = "KiB";
    for next in ["MiB", "GiB", "TiB", "PiB", "EiB"] {
        if scaled < 1023.95 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    format(out, format_args!("{scaled:.1} {unit}"));
}

/// A time: `350 ns`, `1.2 ms`.
pub(crate) fn duration(out: &mut Vec<u8>, time: Duration) {
    let ns = time.as_nanos();
    match ns {
        0..1_000 => format(out, format_args!("{ns} ns")),
        1_000..1_000_000 => format(out, format_args!("{:.1} µs", ns as f64 / 1e3)),
        1_000_000..1_000_000_000 => format(out, format_args!("{:.1} ms", ns as f64 / 1e6)),
        _ => format(out, format_args!("{:.1} s", time.as_secs_f64())),
    }
}

/// A share of one: `87.5%`.
pub(crate) fn percent(out: &mut Vec<u8>, share: f64) {
    format(out, format_args!("{:.1}%", share * 100.0));
}

/// A plain fraction with at most three decimals.
pub(crate) fn fraction(out: &mut Vec<u8>, n: f64) {
    let start = out.len();
    format(out, format_args!("{n:.3}"));
    if out[start..].contains(&b'.') {
        while out.last() == Some(&b'0') {
            out.pop();
        }
        if out.last() == Some(&b'.') {
            out.pop();
        }
    }
}

/// A float as Go prints it by `%v`: shortest form that reads back, an exponent where that is
/// below -4 or above 5 (Go 1.26 internal/strconv/ftoa.go, `eprec = 6` for the shortest form).
pub(crate) fn go_float(out: &mut Vec<u8>, n: f64) {
    match special(n) {
        Some(text) => out.extend_from_slice(text),
        None => go_digits(out, &format!("{n:e}")),
    }
}

/// [`go_float`] for `float32`.
pub(crate) fn go_float32(out: &mut Vec<u8>, n: f32) {
    match special(f64::from(n)) {
        Some(text) => out.extend_from_slice(text),
        None => go_digits(out, &format!("{n:e}")),
    }
}

fn special(n: f64) -> Option<&'static [u8]> {
    match n {
        n if n.is_nan() => Some(b"NaN"),
        f64::INFINITY => Some(b"+Inf"),
        f64::NEG_INFINITY => Some(b"-Inf"),
        _ => None,
    }
}

/// The exponent from which Go's `g` with the shortest digits changes to `e`.
const EXPONENT_FROM: i32 = 6;

/// Writes `shortest` (`-1.25e-7`, as Rust prints `{:e}`) by the rules of Go's `g`.
fn go_digits(out: &mut Vec<u8>, shortest: &str) {
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.extend_from_slice(sign.as_bytes());
    if !(-4..EXPONENT_FROM).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format(out, format_args!("{mantissa}e{sign}{:02}", exponent.unsigned_abs()));
    }
    let digits = || mantissa.bytes().filter(u8::is_ascii_digit);
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', exponent.unsigned_abs() as usize - 1));
        return out.extend(digits());
    }
    let whole = exponent as usize + 1;
    out.extend(digits().chain(std::iter::repeat(b'0')).take(whole));
    if digits().count() > whole {
        out.push(b'.');
        out.extend(digits().skip(whole));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sizes_scale() {
        for (n, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_258_291, "1.2 MiB"),
            (1 << 20, "1.0 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(run(|o| bytes(o, n)), text);
        }
    }

    #[test]
    fn counts_group_and_times_scale() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (5_000_000, "5,000,000")] {
            assert_eq!(run(|o| count(o, n)), text);
        }
        assert_eq!(run(|o| duration(o, Duration::from_nanos(350))), "350 ns");
        assert_eq!(run(|o| duration(o, Duration::from_micros(1234))), "1.2 ms");
        assert_eq!(run(|o| fraction(o, 6.5)), "6.5");
        assert_eq!(run(|o| fraction(o, 100.0)), "100");
        assert_eq!(run(|o| addr(o, 0)), "0x0");
        assert_eq!(run(|o| addr(o, 0xc000_0123_4500)), "0xc00001234500");
    }

    #[test]
    fn floats_are_those_of_go() {
        // The right-hand sides were printed by Go 1.26's fmt with %v.
        for (n, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (100.0, "100"),
            (123456.0, "123456"),
            (1234567.0, "1.234567e+06"),
            (1e21, "1e+21"),
            (123456789012345678901.0, "1.2345678901234568e+20"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (0.000123, "0.000123"),
            (1.0 / 3.0, "0.3333333333333333"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(run(|o| go_float(o, n)), text);
        }
        assert_eq!(run(|o| go_float32(o, 0.1)), "0.1");
        assert_eq!(run(|o| go_float32(o, 16777216.0)), "1.6777216e+07");
    }
}
