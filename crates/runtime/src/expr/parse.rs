//! From text to steps.

use crate::brackets::closing;

/// An expression, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// `0xc000123456`
    Addr(u64),
    /// A global, and the steps from it. Where the package path ends and the fields begin shows
    /// only in the globals there are: `dotted` is all that stands before the first `[`, `.(`.
    Path {
        /// `example.com/a/b.registry.Shards`
        dotted: String,
        /// What follows.
        ops: Vec<Op>,
    },
    /// A variable of a goroutine, and the steps from it: `goroutine 7 main.worker m.cache`. Where the
    /// names of function and variable end shows only in the frames there are.
    Frame {
        /// The goroutine's number.
        goroutine: u64,
        /// All that follows.
        rest: String,
    },
}

/// One step of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `.Name`
    Field(String),
    /// `[3]`, `["key"]`: an index or a key, as written.
    Index(String),
    /// `.key(k)`: a key of a map itself, as written.
    Key(String),
    /// `{main.run.func1 m}`: a variable that a closure has captured, behind the closure's function.
    Captured(String),
    /// `.(T)`: the dynamic value, whose type is `T` as reflect prints it.
    Assert(String),
}

/// Text that is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {problem}")]
pub struct SyntaxError {
    /// Characters before the place, from 0.
    pub at: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

impl Parsed {
    /// Parses `text`.
    ///
    /// # Errors
    ///
    /// Brackets that do not close, or nothing where a name should stand.
    pub fn parse(text: &str) -> Result<Parsed, SyntaxError> {
        let text = text.trim();
        if let Some(addr) = address(text) {
            return Ok(Parsed::Addr(addr));
        }
        if let Some(inner) = text.strip_prefix(['*', '&']) {
            return Parsed::within(inner, 1);
        }
        if let Some(inner) = text.strip_prefix('(') {
            return Parsed::grouped(inner);
        }
        if let Some((goroutine, rest)) = frame(text) {
            return Ok(Parsed::Frame { goroutine, rest: rest.to_owned() });
        }
        let ends = ["[", ".(", ".key(", "{"].map(|step| text.find(step).unwrap_or(text.len()));
        let end = ends.into_iter().min().unwrap_or(text.len());
        // The methods in a package path (`main.(*T).f`) are no steps.
        let (dotted, mut rest) = text.split_at(end);
        if dotted.is_empty() {
            return Err(SyntaxError { at: 0, problem: "a global variable or an address expected" });
        }
        let mut ops = Vec::new();
        steps(&mut rest, text.len(), &mut ops)?;
        Ok(Parsed::Path { dotted: dotted.to_owned(), ops })
    }

    /// What stands behind a `*`, a `&` or a `(`, of which the first is so many bytes before it. Pointers
    /// are followed without being told.
    fn within(inner: &str, before: usize) -> Result<Parsed, SyntaxError> {
        Parsed::parse(inner).map_err(|error| SyntaxError { at: error.at + before, ..error })
    }

    /// `(*main.x).f`, behind its `(`.
    fn grouped(inner: &str) -> Result<Parsed, SyntaxError> {
        let unclosed = SyntaxError { at: 0, problem: "this ( is not closed" };
        let (group, mut rest) = until(inner, '(', ')').ok_or(unclosed)?;
        let mut parsed = Parsed::within(group, 1)?;
        match &mut parsed {
            Parsed::Path { dotted, ops } => {
                steps(&mut rest, inner.len() + 1, ops)?;
                join(dotted, ops);
            }
            Parsed::Frame { rest: inner, .. } => inner.push_str(rest),
            Parsed::Addr(_) if rest.is_empty() => {}
            Parsed::Addr(_) => {
                let at = inner.len() + 1 - rest.len();
                return Err(SyntaxError {
                    at,
                    problem: "an address has no fields: its type is not known",
                });
            }
        }
        Ok(parsed)
    }
}

/// `goroutine 7 main.worker m`, and what stands behind the number.
fn frame(text: &str) -> Option<(u64, &str)> {
    let (number, rest) = text.strip_prefix("goroutine ")?.split_once(' ')?;
    Some((number.parse().ok()?, rest))
}

/// The steps that `text` consists of.
///
/// # Errors
///
/// It does not.
pub(super) fn steps_of(text: &str) -> Result<Vec<Op>, SyntaxError> {
    let mut ops = Vec::new();
    steps(&mut &*text, text.len(), &mut ops)?;
    Ok(ops)
}

/// The steps that `rest` consists of, the end of a text of so many bytes.
fn steps(rest: &mut &str, whole: usize, ops: &mut Vec<Op>) -> Result<(), SyntaxError> {
    while !rest.is_empty() {
        let at = whole - rest.len();
        let (op, after) = step(rest).map_err(|problem| SyntaxError { at, problem })?;
        ops.push(op);
        *rest = after;
    }
    Ok(())
}

/// The fields that come first are part of the name, as they are where it stands in no brackets.
fn join(dotted: &mut String, ops: &mut Vec<Op>) {
    let fields = ops.iter().take_while(|op| matches!(op, Op::Field(_))).count();
    for op in ops.drain(..fields) {
        if let Op::Field(name) = op {
            *dotted += ".";
            *dotted += &name;
        }
    }
}

fn address(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn step(rest: &str) -> Result<(Op, &str), &'static str> {
    if let Some(inner) = rest.strip_prefix('[') {
        let (index, after) = until(inner, '[', ']').ok_or("this [ is not closed")?;
        return Ok((Op::Index(index.trim().to_owned()), after));
    }
    if let Some(inner) = rest.strip_prefix('{') {
        let (name, after) = until(inner, '{', '}').ok_or("this { is not closed")?;
        return Ok((Op::Captured(name.to_owned()), after));
    }
    if let Some(inner) = rest.strip_prefix(".key(") {
        let (key, after) = until(inner, '(', ')').ok_or("this ( is not closed")?;
        return Ok((Op::Key(key.to_owned()), after));
    }
    if let Some(inner) = rest.strip_prefix(".(") {
        let (ty, after) = until(inner, '(', ')').ok_or("this ( is not closed")?;
        return Ok((Op::Assert(ty.trim().to_owned()), after));
    }
    let Some(name) = rest.strip_prefix('.') else { return Err("a field, [ or .( expected") };
    let end = name.find(['.', '[', '{']).unwrap_or(name.len());
    if end == 0 {
        return Err("a field's name expected after the dot");
    }
    Ok((Op::Field(name[..end].to_owned()), &name[end..]))
}

/// Splits before the `close` that ends what an `open` before `text` began. Quoted strings hide
/// what is in them.
fn until(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    let end = closing(text, open, close)?;
    Some((&text[..end], &text[end + close.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(dotted: &str, ops: &[Op]) -> Result<Parsed, SyntaxError> {
        Ok(Parsed::Path { dotted: dotted.into(), ops: ops.to_vec() })
    }

    #[test]
    fn addresses_and_paths() {
        assert_eq!(Parsed::parse("0xc000012340"), Ok(Parsed::Addr(0xc0_0001_2340)));
        assert_eq!(Parsed::parse("main.registry.Shards"), path("main.registry.Shards", &[]));
        let index = |text: &str| Op::Index(text.into());
        let field = |text: &str| Op::Field(text.into());
        assert_eq!(
            Parsed::parse("a.com/b.r[3].Counts[\"x]\\\"\"]"),
            path("a.com/b.r", &[index("3"), field("Counts"), index("\"x]\\\"\"")])
        );
        assert_eq!(
            Parsed::parse("main.x.(map[string]int)[main.K{1, 2}]"),
            path("main.x", &[Op::Assert("map[string]int".into()), index("main.K{1, 2}")])
        );
    }

    #[test]
    fn what_no_field_names_is_a_step_too() {
        let (field, index) = (|f: &str| Op::Field(f.into()), |i: &str| Op::Index(i.into()));
        let captured = Op::Captured("main.run.func1 m".into());
        assert_eq!(
            Parsed::parse("main.hooks[0]{main.run.func1 m}.f"),
            path("main.hooks", &[index("0"), captured.clone(), field("f")])
        );
        assert_eq!(Parsed::parse("main.f{main.run.func1 m}"), path("main.f", &[captured]));
        let key = Op::Key("main.K{1, \")\"}".into());
        assert_eq!(
            Parsed::parse("main.m.key(main.K{1, \")\"}).set"),
            path("main.m", &[key, field("set")])
        );
        let frame = |rest: &str| Ok(Parsed::Frame { goroutine: 7, rest: rest.into() });
        assert_eq!(Parsed::parse("goroutine 7 main.f m[1]"), frame("main.f m[1]"));
        assert_eq!(Parsed::parse("(goroutine 7 main.f p).m"), frame("main.f p.m"));
    }

    #[test]
    fn pointers_are_followed_without_being_told() {
        assert_eq!(Parsed::parse("*main.x"), path("main.x", &[]));
        assert_eq!(Parsed::parse("(*main.x).f"), path("main.x.f", &[]));
        assert_eq!(Parsed::parse("((main.x)).f"), path("main.x.f", &[]));
        let index = Op::Index("0".into());
        assert_eq!(Parsed::parse("(*main.x).f[0]"), path("main.x.f", std::slice::from_ref(&index)));
        let field = Op::Field("f".into());
        assert_eq!(Parsed::parse("(main.x[0]).f"), path("main.x", &[index, field]));
        assert_eq!(Parsed::parse("(0xc0)"), Ok(Parsed::Addr(0xc0)));
        assert_eq!(Parsed::parse("main.x[`a\"]`]"), path("main.x", &[Op::Index("`a\"]`".into())]));
        for (text, at) in [("(main.x", 0), ("(*main.x)f", 9), ("(0xc0).f", 6), ("*", 1)] {
            assert_eq!(Parsed::parse(text).map_err(|e| e.at), Err(at), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for (text, at) in
            [("", 0), ("[1]", 0), ("main.x[1", 6), ("main.x[1]y", 9), ("a[1].", 4), ("a{f m", 1)]
        {
            assert_eq!(Parsed::parse(text).map_err(|e| e.at), Err(at), "{text}");
        }
    }
}
