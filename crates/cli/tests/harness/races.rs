//! Deaths that are a matter of luck.

use serde_json::Value;

/// Races are run so often: what two goroutines do to a map at once may end it in other ways too.
pub(crate) const TRIES: usize = 20;

/// Whether the program died as its truth says, by what it wrote; what is no race always does.
pub(crate) fn died_so(truth: &Value, said: &str) -> bool {
    let is = |key: &str| truth[key].as_str().unwrap_or_default();
    // `small map with no empty slot (concurrent map writes?)` is another death.
    let words = format!("fatal error: {}", is("kind"));
    !is("name").starts_with("race-") || said.lines().any(|line| line == words)
}
