//! Go's numbers.

use super::node::Number;

/// The number at the beginning of `text`, and its length in bytes; `None` where there is none.
pub(super) fn number(text: &str) -> Option<Result<(Number, usize), &'static str>> {
    let words = ["NaN", "Inf", "math.NaN()", "math.Inf(1)", "math.Inf(-1)"];
    let values = [f64::NAN, f64::INFINITY, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for (word, value) in words.into_iter().zip(values) {
        let after = text.strip_prefix(word);
        if after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')) {
            return Some(Ok(imaginary(text, Number::Float(value), word.len())));
        }
    }
    let digit = text.strip_prefix('.').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    digit.then(|| digits(text))
}

fn digits(text: &str) -> Result<(Number, usize), &'static str> {
    let (radix, from) = radix(text);
    let end = match radix {
        10 => decimal_end(text),
        _ => from + word_end(text.get(from..).unwrap_or("")),
    };
    let body: String = text.get(from..end).unwrap_or("").chars().filter(|c| *c != '_').collect();
    let number = match radix {
        10 if body.contains(['.', 'e', 'E']) => {
            Number::Float(body.parse().map_err(|_| "this is no number")?)
        }
        // An imaginary number or a fraction may begin with a zero, but a whole one is octal then.
        10 if body.len() > 1 && body.starts_with('0') && !text[end..].starts_with('i') => {
            Number::Int(i128::from_str_radix(&body, 8).map_err(|_| "this is no octal number")?)
        }
        radix => {
            Number::Int(i128::from_str_radix(&body, radix).map_err(|_| "this is no whole number")?)
        }
    };
    Ok(imaginary(text, number, end))
}

fn radix(text: &str) -> (u32, usize) {
    match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, 2),
        Some("0b") => (2, 2),
        Some("0o") => (8, 2),
        _ => (10, 0),
    }
}

/// Where digits, a fraction and an exponent end.
fn decimal_end(text: &str) -> usize {
    let mut last = ' ';
    let mut end = 0;
    for c in text.chars() {
        let exponent = matches!(c, '+' | '-') && matches!(last, 'e' | 'E');
        if !(c.is_ascii_digit() || matches!(c, '.' | '_' | 'e' | 'E') || exponent) {
            break;
        }
        (last, end) = (c, end + 1);
    }
    end
}

fn word_end(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_hexdigit() && c != '_').unwrap_or(text.len())
}

/// `2i` is imaginary.
fn imaginary(text: &str, number: Number, end: usize) -> (Number, usize) {
    match text.get(end..).is_some_and(|rest| rest.starts_with('i')) {
        true => (Number::Complex(0.0, number.float().unwrap_or(0.0)), end + 1),
        false => (number, end),
    }
}
