//! What is no map, but has maps in it.

use mapscope_runtime::Go;
use mapscope_runtime::expr::NameError;
use mapscope_runtime::find::{self, Findings, Found};
use mapscope_target::Addr;

use crate::Error;
use crate::chosen::Chosen;

/// Maps that are told of one value.
const MOST: usize = 16;

/// Says which maps are in what `text` names, if that is no map: what is reached from it, or, where
/// nothing can be followed, what is listed under paths that begin so.
pub(crate) fn maps(
    go: &Go<'_>,
    text: &str,
    why: &NameError,
    listing: Option<&Findings>,
) -> Option<Error> {
    let lines = match (why, go.value_named(text), listing) {
        (NameError::Kind { .. }, Ok((at, ty)), _) => {
            let findings = find::within(go, text, at, ty, MOST + 1);
            let lines = lines(go, findings.maps.iter().map(|found| (&findings, found)));
            if lines.is_empty() && findings.missing.is_empty() && go.types.reaches_map(ty) {
                return Some(Error::NotFound { message: why.to_string(), hint: Some(NONE.into()) });
            }
            lines
        }
        (_, Err(_), Some(listing)) => {
            let begins = |found: &&Found| is_in(&path(go, listing, found), text);
            lines(go, listing.maps.iter().filter(begins).map(|found| (listing, found)))
        }
        _ => return None,
    };
    let (shown, more) = (lines.iter().take(MOST), lines.len() > MOST);
    let rows = shown.fold(String::new(), |rows, line| rows + "\n" + line);
    let more = if more { "\nand more" } else { "" };
    (!lines.is_empty()).then(|| Error::NotFound {
        message: format!("{text} is no map, but leads to:{rows}{more}"),
        hint: Some("name one of these, by its path in quotes or by its address".into()),
    })
}

/// What is said of a value without any.
const NONE: &str = "and no map is reached from it: what could hold one is nil or empty";

/// Whether a path goes on from `text`.
fn is_in(path: &str, text: &str) -> bool {
    path.strip_prefix(text).is_some_and(|rest| rest.starts_with([' ', '.', '[', '{']))
}

fn path(go: &Go<'_>, findings: &Findings, found: &Found) -> String {
    found.held.map_or_else(String::new, |node| findings.trail.path(go, node))
}

/// Path, type, length and address of each, in columns: one more than is told.
fn lines<'f>(go: &Go<'_>, maps: impl Iterator<Item = (&'f Findings, &'f Found)>) -> Vec<String> {
    let row = |(findings, found): (&Findings, &Found)| {
        let ty = found.ty.map_or_else(|| "map[?]?".into(), |ty| go.types.get(ty).name.clone());
        (path(go, findings, found), ty, len(go, found), found.addr)
    };
    let rows: Vec<(String, String, String, Addr)> = maps.take(MOST + 1).map(row).collect();
    let width = |text: fn(&(String, String, String, Addr)) -> &str| {
        rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0)
    };
    let [paths, types, lens] = [width(|row| &row.0), width(|row| &row.1), width(|row| &row.2)];
    let line = |(path, ty, len, addr): &(String, String, String, Addr)| {
        format!("{addr}  {ty:types$}  {len:>lens$}  {path:paths$}").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn len(go: &Go<'_>, found: &Found) -> String {
    let map = Chosen::found(found);
    map.len(go).map_or_else(|_| "unreadable".into(), |len| format!("len {len}"))
}
