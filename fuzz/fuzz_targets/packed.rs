//! Compressed cores and executables: zstd and lz4, one frame after the other.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use mapscope_target::Packing;

/// What is taken of a stream, in bytes.
const MOST: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((how, stream)) = data.split_first() else { return };
    let packing = if how & 1 == 0 { Packing::Zstd } else { Packing::Lz4 };
    let (mut whole, mut bytewise) = (Vec::new(), Vec::new());
    let ended = packing.decoder(stream).take(MOST).read_to_end(&mut whole);
    assert!(ended.as_ref().is_ok_and(|len| *len == whole.len()) || ended.is_err());
    if how & 6 == 0 {
        // In small pieces it is the same, whatever ends it.
        let ended_again = pieces(packing.decoder(stream), &mut bytewise);
        assert_eq!(whole, bytewise);
        assert_eq!(ended.is_ok(), ended_again);
    }
});

/// Whether the stream ended well.
fn pieces(mut decoder: Box<dyn Read + '_>, out: &mut Vec<u8>) -> bool {
    let mut piece = [0; 4093];
    loop {
        let len = piece.len().min(MOST as usize - out.len());
        match decoder.read(&mut piece[..len]) {
            Ok(0) => return true,
            Ok(len) => out.extend(&piece[..len]),
            Err(_) => return false,
        }
    }
}
