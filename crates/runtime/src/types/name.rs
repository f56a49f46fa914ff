//! The linker's names of types, as `reflect` would print them.

/// `map[string]*example.com/shop/cart.Item` as `map[string]*cart.Item`.
///
/// The linker writes full package paths, `reflect` the package's name. The last element of the
/// path stands for the name, which is right unless the package is named otherwise than its folder.
/// Type arguments keep their full paths, as in `reflect`: `cart.Pair[example.com/shop/cart.Item]`.
pub fn short_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut word = 0; // where the path that is being read begins in `out`
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        match c {
            '/' => out.truncate(word),
            '[' if is_generic(&out[word..]) => {
                out.push(c);
                copy_arguments(&mut rest, &mut out);
                word = out.len();
            }
            c if c.is_alphanumeric() || "._-~%+$·".contains(c) => out.push(c),
            c => {
                out.push(c);
                word = out.len();
            }
        }
    }
    out
}

/// Whether a `[` after `word` begins type arguments, not an array, a slice or a map's key.
fn is_generic(word: &str) -> bool {
    !word.is_empty() && word != "map"
}

fn copy_arguments(rest: &mut std::str::Chars<'_>, out: &mut String) {
    let mut depth = 1;
    for c in rest.by_ref() {
        out.push(c);
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// A type as a programmer writes it, as `reflect` would print it: `[4]byte` as `[4]uint8`.
pub fn spelt(written: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || "._-~%+$·/".contains(c);
    let mut out = String::with_capacity(written.len());
    let mut rest = written.trim();
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(c.len_utf8());
        let (word, after) = rest.split_at(end);
        out.push_str(match word {
            "byte" => "uint8",
            "rune" => "int32",
            "any" => "interface {}",
            word => word,
        });
        if matches!(word, "interface" | "struct") && after.starts_with('{') {
            out.push(' ');
        }
        rest = after;
    }
    short_name(&out)
}

#[cfg(test)]
mod tests {
    use super::{short_name, spelt};

    #[test]
    fn aliases_are_spelt_out() {
        for (written, reflect) in [
            ("[4]byte", "[4]uint8"),
            ("map[string]struct{}", "map[string]struct {}"),
            ("[2]interface{}", "[2]interface {}"),
            ("map[any]rune", "map[interface {}]int32"),
            ("*example.com/a/b.byte", "*b.byte"),
            (" main.T ", "main.T"),
        ] {
            assert_eq!(spelt(written), reflect);
        }
    }

    #[test]
    fn paths_become_package_names() {
        for (linker, reflect) in [
            ("int", "int"),
            ("main.T", "main.T"),
            ("example.com/shop/cart.Item", "cart.Item"),
            ("map[string]*example.com/a-b/c.T", "map[string]*c.T"),
            ("map[example.com/a.K][]example.com/b.V", "map[a.K][]b.V"),
            ("[4]internal/abi.Type", "[4]abi.Type"),
            ("main.Pair[example.com/a.K,int]", "main.Pair[example.com/a.K,int]"),
            ("map[main.P[x/y.K]]x/y.V", "map[main.P[x/y.K]]y.V"),
            (
                "func(net/http.ResponseWriter, *net/http.Request)",
                "func(http.ResponseWriter, *http.Request)",
            ),
            ("chan<- x/y.T", "chan<- y.T"),
        ] {
            assert_eq!(short_name(linker), reflect, "{linker}");
        }
    }
}
