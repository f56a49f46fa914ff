//! What goroutines do and which maps they hold, as the zoo says of itself.

use libtest_mimic::Failed;
use serde_json::Value;

use crate::Scratch;
use crate::agree::{array, text};
use crate::run::{Target, agreed, mapscope};
use crate::zoo::{self, Variant, Zoo};

/// Goroutines of a zoo that waits: plain and stripped.
pub(crate) fn goroutines(variant: &Variant) -> Result<(), Failed> {
    let zoo = Zoo::waiting(variant);
    judge(&zoo.truth, &Target::live(&zoo.pid().to_string(), "stop"))
}

/// Goroutines of a core that the kernel wrote.
pub(crate) fn of_core(variant: &Variant) -> Result<(), Failed> {
    let dir = Scratch::new(variant, "goroutines");
    let (truth, core) = zoo::crashed(variant, &dir.0);
    judge(&truth, &Target::core(&core, variant))
}

fn judge(truth: &Value, target: &Target) -> Result<(), Failed> {
    let each = mapscope("goroutines", &["--each"], target)?;
    let rows = array(&each, "goroutines");
    let mut wrong = states(rows);
    let grouped = mapscope("goroutines", &[], target)?;
    let sum: u64 = array(&grouped, "groups").iter().filter_map(|row| row["count"].as_u64()).sum();
    if sum != rows.len() as u64 {
        wrong.push(format!("{sum} in groups, {} one by one", rows.len()));
    }
    wrong.extend(ever(&each));
    for fact in array(truth, "maps").iter().filter(|fact| is_held(fact)) {
        wrong.extend(held(fact, &mapscope("goroutines", &["--map", text(fact, "addr")], target)?));
    }
    agreed(&wrong, "goroutines")
}

/// What the zoo's goroutines wait for (`parked` in fixtures/zoo/parked.go).
fn states(rows: &[Value]) -> Vec<String> {
    let waits = |reasons: &[&str], function: &str| {
        rows.iter().any(|row| {
            let stack = array(row, "stack").iter();
            row["status"] == "waiting"
                && reasons.contains(&text(row, "reason"))
                && text(row, "created_by") == "main.parked"
                && stack.into_iter().any(|name| name == function)
        })
    };
    let wanted: [(&[&str], &str); 5] = [
        (&["chan receive"], "main.heldByLocal"),
        (&["chan receive"], "main.waitWith"),
        (&["select"], "main.inSelect"),
        (&["sleep"], "main.inSleep"),
        // A reason of its own since Go 1.20.
        (&["sync.Mutex.Lock", "semacquire"], "main.inMutex"),
    ];
    let missing = wanted.iter().filter(|(reasons, function)| !waits(reasons, function));
    missing
        .map(|(reasons, function)| format!("nobody waits for {reasons:?} in {function}"))
        .collect()
}

/// Every goroutine has a stack that ends where stacks end.
fn ever(each: &Value) -> Vec<String> {
    let rows = array(each, "goroutines").iter();
    let odd = rows.filter(|row| array(row, "stack").last().is_none_or(|f| f != "runtime.goexit"));
    odd.map(|row| format!("its stack does not begin in runtime.goexit: {row}")).collect()
}

/// Whether only a goroutine's frame holds it.
fn is_held(fact: &Value) -> bool {
    ["held by a local", "held by an argument", "waiting in select"].contains(&text(fact, "name"))
}

/// Whether the goroutine that the path of `fact` names is said to hold the map, in that function.
fn held(fact: &Value, said: &Value) -> Option<String> {
    let mut path = text(fact, "path").split(' ').skip(1);
    let (id, function) = (path.next()?.parse::<u64>().ok()?, path.next()?);
    let found = array(said, "holders")
        .iter()
        .any(|row| row["goroutine"] == id && row["function"] == function && row["sure"] != "maybe");
    (!found).then(|| format!("{}: {id} does not hold it for sure: {said}", fact["name"]))
}
