//! The headers of a core (System V gABI, chapters 4 and 5).

use super::pages::PAGE;
use super::plan::{Plan, Region};
use crate::Access;

const EHDR: u64 = 64;
const PHDR: u64 = 56;
const SHDR: u64 = 64;
/// `PN_XNUM`: there are more program headers than 16 bits can say; a section header says how many.
const MANY: usize = 0xffff;

/// How long the headers are for so many mappings.
pub(super) fn head_size(mappings: usize) -> u64 {
    EHDR + PHDR * (mappings as u64 + 1) + SHDR
}

/// The headers and the notes.
pub(super) fn head(plan: &Plan, notes: &[u8]) -> Vec<u8> {
    let count = plan.regions.len() + 1;
    let many = count >= MANY;
    let sections_at = EHDR + PHDR * count as u64;
    let mut head = Vec::new();
    head.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    // ET_CORE, EM_X86_64.
    half(&mut head, 4);
    half(&mut head, 62);
    word(&mut head, 1);
    long(&mut head, 0);
    long(&mut head, EHDR);
    long(&mut head, if many { sections_at } else { 0 });
    word(&mut head, 0);
    half(&mut head, EHDR as u16);
    half(&mut head, PHDR as u16);
    half(&mut head, count.min(MANY) as u16);
    half(&mut head, if many { SHDR as u16 } else { 0 });
    half(&mut head, u16::from(many));
    half(&mut head, 0);
    note_header(&mut head, plan.notes_at, notes.len() as u64);
    for region in &plan.regions {
        load_header(&mut head, region);
    }
    // An SHT_NULL whose sh_info is the number of program headers.
    let mut section = [0; SHDR as usize];
    section[44..48].copy_from_slice(&(count as u32).to_le_bytes());
    head.extend_from_slice(&section);
    head.extend_from_slice(notes);
    head
}

fn note_header(to: &mut Vec<u8>, offset: u64, size: u64) {
    // PT_NOTE.
    word(to, 4);
    word(to, 0);
    for value in [offset, 0, 0, size, 0, 4] {
        long(to, value);
    }
}

fn load_header(to: &mut Vec<u8>, region: &Region) {
    // PT_LOAD.
    word(to, 1);
    let Access { read, write, execute } = region.mapping.access;
    word(to, u32::from(read) << 2 | u32::from(write) << 1 | u32::from(execute));
    let (start, end) = (region.mapping.start.0, region.mapping.end.0);
    for value in [region.offset, start, 0, region.kept, end - start, PAGE] {
        long(to, value);
    }
}

fn half(to: &mut Vec<u8>, value: u16) {
    to.extend_from_slice(&value.to_le_bytes());
}

fn word(to: &mut Vec<u8>, value: u32) {
    to.extend_from_slice(&value.to_le_bytes());
}

fn long(to: &mut Vec<u8>, value: u64) {
    to.extend_from_slice(&value.to_le_bytes());
}
