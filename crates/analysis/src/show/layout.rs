//! How a bucket or group is laid out, and what its slots cost (row C12).

use mapscope_runtime::Go;
use mapscope_runtime::maps::SLOTS;
use mapscope_runtime::types::{Kind, SlotLayout};

use crate::chosen::Chosen;

/// The parts of a bucket or group of this map, one a line. `None` where its type is not known.
pub(super) fn lines(go: &Go<'_>, chosen: &Chosen) -> Option<Vec<String>> {
    let ty = go.types.get(chosen.ty?);
    let Kind::Map(map) = &ty.kind else { return None };
    let slots = map.slots?;
    let (key, elem) = (go.types.get(map.key), go.types.get(map.elem));
    let marks = if go.shape.has_chains() { "tophash" } else { "ctrl" };
    let mut lines = vec![part(0, 8, &format!("{marks}: one byte a slot"))];
    let name = |name: &str, indirect: bool| match indirect {
        true => format!("*{name} (stored by pointer: above 128 bytes)"),
        false => name.to_owned(),
    };
    let key_name = name(&key.name, slots.indirect_key);
    let elem_name = name(&elem.name, slots.indirect_elem);
    let key_size = if slots.indirect_key { 8 } else { key.size };
    let elem_size = if slots.indirect_elem { 8 } else { elem.size };
    if slots.split {
        let keys = slots.key_stride * SLOTS as u64;
        let elems = slots.elem_stride * SLOTS as u64;
        lines.push(part(slots.keys_off, keys, &format!("keys: 8 × {key_name}")));
        lines.push(part(slots.elems_off, elems, &format!("elems: 8 × {elem_name}")));
        if go.shape.has_chains() {
            let overflow = slots.block_size.saturating_sub(8);
            lines.push(part(overflow, 8, "overflow: the next bucket of the chain"));
        }
    } else {
        let slot = slots.key_stride;
        lines.push(part(slots.keys_off, slot * SLOTS as u64, &format!("slots: 8 × {slot} bytes")));
        lines.push(format!("          of these key {key_name}, {key_size} bytes at +0"));
        let at = slots.elems_off.saturating_sub(slots.keys_off);
        lines.push(format!("          and elem {elem_name}, {elem_size} bytes at +{at}"));
    }
    lines.push(padding(&slots, key_size, elem_size, go.shape.has_chains()));
    let free = if slots.pointer_free { "holds no pointers" } else { "holds pointers" };
    lines.push(format!("{} bytes in all; {free}, as the GC sees it", slots.block_size));
    Some(lines)
}

fn part(offset: u64, size: u64, what: &str) -> String {
    format!("+{offset:<5} {size:>6}  {what}")
}

fn padding(slots: &SlotLayout, key: u64, elem: u64, overflow: bool) -> String {
    let used = 8 + SLOTS as u64 * (key + elem) + if overflow { 8 } else { 0 };
    let lost = slots.block_size.saturating_sub(used);
    format!("              {lost} bytes of padding, {} a slot", lost / SLOTS as u64)
}
