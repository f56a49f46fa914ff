//! `--where`: a CEL expression over the columns of a row.

use cel::{Context, Env, ExecutionError, Program, Value};
use std::sync::Arc;

use crate::failure::Failure;

/// A value of a row that a condition can name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    /// CEL's `int`; what is above its range is its largest.
    Int(u64),
    /// CEL's `double`.
    Double(f64),
    /// CEL's `string`.
    Text(&'a str),
}

/// A condition that has been compiled for rows with certain columns.
pub(crate) struct Condition {
    program: Program,
    env: Arc<Env>,
    source: String,
}

impl Condition {
    /// Compiles `source` and tries it on `sample`, a row of the right columns, so that a condition
    /// that never could hold is refused before the target is touched.
    pub(crate) fn compile(
        source: &str,
        sample: &[(&'static str, Column<'_>)],
    ) -> Result<Condition, Failure> {
        let env = Arc::new(Env::stdlib());
        let program = env.compile(source).map_err(|errors| not_parsed(source, &errors))?;
        check_names(source, &program, sample)?;
        let condition = Condition { program, env, source: source.to_owned() };
        match condition.evaluate(sample) {
            Ok(Value::Bool(_)) => Ok(condition),
            Ok(other) => Err(condition.not_bool(&other)),
            Err(e) if depends_on_data(&e) => Ok(condition),
            Err(e) => Err(condition.failed(&e)),
        }
    }

    /// Whether the condition holds for `row`.
    pub(crate) fn holds(&self, row: &[(&'static str, Column<'_>)]) -> Result<bool, Failure> {
        match self.evaluate(row) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(self.not_bool(&other)),
            Err(e) => Err(self.failed(&e)),
        }
    }

    fn evaluate(&self, row: &[(&'static str, Column<'_>)]) -> Result<Value, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        for &(name, column) in row {
            let value = match column {
                Column::Int(n) => Value::Int(i64::try_from(n).unwrap_or(i64::MAX)),
                Column::Double(n) => Value::Float(n),
                Column::Text(text) => Value::String(Arc::new(text.to_owned())),
            };
            context.add_variable_from_value(name, value);
        }
        self.program.execute(&context)
    }

    fn not_bool(&self, value: &Value) -> Failure {
        let kind = value.type_of();
        Failure::new(format!("the condition `{}` is of type {kind}, not bool", self.source))
            .hint("compare it with something: len > 1000")
    }

    fn failed(&self, error: &ExecutionError) -> Failure {
        let failure = Failure::new(format!("the condition `{}` fails: {error}", self.source));
        match error {
            ExecutionError::NoSuchOverload(_) => failure.hint(
                "numbers compare with numbers of their kind: len > 10, load > 0.5, type == \"…\"",
            ),
            _ => failure,
        }
    }
}

/// Whether another row may fare better.
fn depends_on_data(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::DivisionByZero(_)
            | ExecutionError::RemainderByZero(_)
            | ExecutionError::Overflow(..)
            | ExecutionError::IndexOutOfBounds(_)
            | ExecutionError::FunctionError { .. }
    )
}

/// The source with a caret under the first error.
fn not_parsed(source: &str, errors: &cel::ParseErrors) -> Failure {
    let Some(first) = errors.errors.first() else {
        return Failure::new(format!("the condition `{source}` does not parse"));
    };
    let line_number = usize::try_from(first.pos.0).unwrap_or(1).max(1);
    let line = source.lines().nth(line_number - 1).unwrap_or_default();
    let column = usize::try_from(first.pos.1).unwrap_or(1).clamp(1, line.chars().count() + 1);
    let message = first.msg.lines().next().unwrap_or_default();
    Failure::new(format!(
        "the condition does not parse: {message}\n{line}\n{caret:>column$}",
        caret = '^'
    ))
}

fn check_names(
    source: &str,
    program: &Program,
    sample: &[(&'static str, Column<'_>)],
) -> Result<(), Failure> {
    let references = program.references();
    let mut unknown: Vec<&str> = references
        .variables()
        .into_iter()
        .filter(|name| sample.iter().all(|(known, _)| known != name))
        .collect();
    unknown.sort_unstable();
    let Some(name) = unknown.first() else { return Ok(()) };
    let names: Vec<&str> = sample.iter().map(|(name, _)| *name).collect();
    Err(Failure::new(format!("the condition `{source}` names `{name}`, which is no column"))
        .hint(format!("the columns are {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: [(&str, Column<'_>); 3] =
        [("len", Column::Int(7)), ("load", Column::Double(0.5)), ("type", Column::Text("map[a]b"))];

    fn holds(source: &str) -> Result<bool, String> {
        let condition = Condition::compile(source, &ROW).map_err(|e| e.to_string())?;
        condition.holds(&ROW).map_err(|e| e.to_string())
    }

    #[test]
    fn conditions_decide() {
        for (source, answer) in [
            ("len > 5", true),
            ("len == 8", false),
            ("load < 0.6 && len >= 7", true),
            ("type.startsWith('map[')", true),
            ("type.matches('^map.a.b$')", true),
            ("type.contains('c') || size(type) == 7", true),
            ("!(len in [1, 2])", true),
        ] {
            assert_eq!(holds(source), Ok(answer), "{source}");
        }
    }

    #[test]
    fn what_does_not_parse_is_shown_with_a_caret() {
        let message = holds("len >").unwrap_err();
        assert!(message.starts_with("the condition does not parse: "), "{message}");
        assert!(message.contains("\nlen >\n"), "{message}");
        assert!(message.trim_end().ends_with('^'), "{message}");
        for source in ["", "(", "\"", "len ? 1", "\u{0}", "é + ", "a.b.c(", "[[[[["] {
            assert!(holds(source).is_err(), "{source}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        assert!(holds("len + 1").unwrap_err().contains("not bool"));
        assert!(holds("length > 1").unwrap_err().contains("`length`, which is no column"));
        assert!(holds("len > 'a'").unwrap_err().contains("fails"));
        assert!(holds("len.foo > 1").is_err());
        assert!(holds("foo(len)").is_err());
    }

    #[test]
    fn what_fails_on_some_rows_only_compiles() {
        let condition = Condition::compile("10 / (len - 7) > 1", &ROW);
        assert!(condition.is_ok_and(|c| c.holds(&ROW).is_err()));
    }
}
