//! The header, explained.

use super::Swiss;
use super::header::Header;
use crate::maps::{Damage, HeaderField, MapAt, Reader, field};

impl Swiss {
    pub(super) fn explain_header(
        &self,
        reader: Reader<'_>,
        map: &MapAt,
    ) -> Result<Vec<HeaderField>, Damage> {
        let h = self.header(reader.memory, map.addr)?;
        let l = &self.map;
        let mut fields = vec![
            field("used", l.used, h.used, "live entries: what len returns"),
            field("seed", l.seed, format!("{:#x}", h.seed), "seed of the hash"),
            field("dirPtr", l.dir_ptr, h.dir_ptr, dir_words(&h)),
            field("dirLen", l.dir_len, h.dir_len, dir_len_words(&h)),
            field("globalDepth", l.global_depth, h.depth, depth_words(&h)),
            field("globalShift", l.global_shift, h.shift, shift_words(&h)),
            field("writing", l.writing, h.writing, writing_words(&h)),
        ];
        if let (Some(offset), Some(possible)) = (l.tombstone_possible, h.tombstone_possible) {
            let meaning = match possible {
                0 => "no delete has left a tombstone since the last rehash",
                _ => "a delete may have left a tombstone",
            };
            fields.push(field("tombstonePossible", offset, possible, meaning));
        }
        let cleared = format!("cleared {} times", h.clear_seq);
        fields.push(field("clearSeq", l.clear_seq, h.clear_seq, cleared));
        Ok(fields)
    }
}

fn dir_words(h: &Header) -> String {
    match (h.dir_ptr.is_null(), h.dir_len) {
        (true, _) => "nothing yet: the group is made at the first insert".into(),
        (_, 0) => "the one group of a small map, though declared **table".into(),
        (_, len) => format!("directory of {len} tables"),
    }
}

fn dir_len_words(h: &Header) -> String {
    match h.dir_len {
        0 => "0: a small map, no directory".into(),
        len => format!("{len} = 2^{} directory entries; one table may fill several", h.depth),
    }
}

fn depth_words(h: &Header) -> String {
    format!("the top {} bits of a hash choose the table", h.depth)
}

fn shift_words(h: &Header) -> String {
    match h.dir_len {
        0 => "not used by a small map".into(),
        _ => format!("a hash is shifted right by {} to index the directory", h.shift),
    }
}

fn writing_words(h: &Header) -> String {
    match h.writing {
        0 => "no writer has its mark set (it is toggled: two writers can leave 0)".into(),
        _ => "a goroutine is writing, or died writing".into(),
    }
}
