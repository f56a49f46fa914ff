//! The sample: a struct, a map, a global, a constant, and two functions of which one is inlined
//! into the other.

use gimli::constants as c;

use super::asm::{Asm, Sections, TEXT};

const CFA: u8 = c::DW_OP_call_frame_cfa.0;
const FBREG: u8 = c::DW_OP_fbreg.0;
const REG0: u8 = c::DW_OP_reg0.0;
const PIECE: u8 = c::DW_OP_piece.0;

/// The sections of the sample.
pub(super) fn sample(version: u16) -> Sections {
    let mut asm = Asm::new(version);
    abbreviations(&mut asm, version);
    asm.uleb(1).text("main").u8(c::DW_LANG_Go.0 as u8).u64(TEXT);
    if version == 5 {
        asm.u32(8);
    }
    types(&mut asm);
    globals(&mut asm);
    functions(&mut asm, version);
    asm.u8(0);
    let mut sections = asm.finish();
    sections.extend(match version {
        5 => vec![
            (".debug_addr", addresses()),
            (".debug_loclists", location_list_5()),
            (".debug_rnglists", range_list_5()),
        ],
        _ => vec![(".debug_loc", location_list_4())],
    });
    sections
}

/// The abbreviations of `cmd/internal/dwarf/dwarf.go` that the sample uses, numbered as here.
fn abbreviations(asm: &mut Asm, version: u16) {
    let (kind, key, elem, embedded, descriptor) = (0x2900, 0x2901, 0x2902, 0x2903, 0x2904);
    let (name, ty, size) = (c::DW_AT_name.0, c::DW_AT_type.0, c::DW_AT_byte_size.0);
    let (low, high, ranges) = (c::DW_AT_low_pc.0, c::DW_AT_high_pc.0, c::DW_AT_ranges.0);
    let (line, location) = (c::DW_AT_decl_line.0, c::DW_AT_location.0);
    let form = |form: c::DwForm| form.0 as u8;
    let (string, refer, udata) =
        (form(c::DW_FORM_string), form(c::DW_FORM_ref_addr), form(c::DW_FORM_udata));
    let (addr, data1, flag) =
        (form(c::DW_FORM_addr), form(c::DW_FORM_data1), form(c::DW_FORM_flag));
    let (block, offset) = (form(c::DW_FORM_block1), form(c::DW_FORM_sec_offset));
    let mut unit = vec![(name, string), (c::DW_AT_language.0, data1), (low, addr)];
    let (mut from, mut to) = (addr, addr);
    if version == 5 {
        unit.push((c::DW_AT_addr_base.0, offset));
        (from, to) = (form(c::DW_FORM_addrx), udata);
    }
    let base = (c::DW_AT_frame_base.0, block);
    let origin = (c::DW_AT_abstract_origin.0, refer);
    let result = (c::DW_AT_variable_parameter.0, flag);
    let mut put = |code, tag, kids, specs: &[(u16, u8)]| asm.abbreviation(code, tag, kids, specs);
    put(1, c::DW_TAG_compile_unit, 1, &unit);
    put(
        2,
        c::DW_TAG_subprogram,
        1,
        &[(name, string), (low, from), (high, to), base, (line, udata)],
    );
    put(3, c::DW_TAG_subprogram, 1, &[(name, string), (c::DW_AT_inline.0, data1)]);
    put(
        4,
        c::DW_TAG_inlined_subroutine,
        1,
        &match version {
            5 => vec![origin, (ranges, offset)],
            _ => vec![origin, (low, addr), (high, addr)],
        },
    );
    put(5, c::DW_TAG_variable, 0, &[(name, string), (location, block), (ty, refer)]);
    let value = (c::DW_AT_const_value.0, form(c::DW_FORM_sdata));
    put(6, c::DW_TAG_constant, 0, &[(name, string), (ty, refer), value]);
    put(7, c::DW_TAG_lexical_block, 1, &[(low, from), (high, to)]);
    let at = (c::DW_AT_data_member_location.0, udata);
    put(8, c::DW_TAG_member, 0, &[(name, string), at, (ty, refer), (embedded, flag)]);
    put(9, c::DW_TAG_subrange_type, 0, &[(ty, refer), (c::DW_AT_count.0, udata)]);
    let encoding = (c::DW_AT_encoding.0, data1);
    let known = [(kind, data1), (descriptor, addr)];
    let with = |specs: &[(u16, u8)]| [specs, &known].concat();
    put(10, c::DW_TAG_base_type, 0, &with(&[(name, string), encoding, (size, data1)]));
    put(11, c::DW_TAG_array_type, 1, &with(&[(name, string), (ty, refer), (size, udata)]));
    let of = [(key, refer), (elem, refer)];
    put(12, c::DW_TAG_typedef, 0, &[with(&[(name, string), (ty, refer)]), of.to_vec()].concat());
    put(13, c::DW_TAG_pointer_type, 0, &with(&[(name, string), (ty, refer)]));
    put(14, c::DW_TAG_structure_type, 1, &with(&[(name, string), (size, udata)]));
    put(15, c::DW_TAG_typedef, 0, &[(name, string), (ty, refer)]);
    put(
        16,
        c::DW_TAG_variable,
        0,
        &[(name, string), (line, udata), (ty, refer), (location, block)],
    );
    put(
        17,
        c::DW_TAG_variable,
        0,
        &[(name, string), (line, udata), (ty, refer), (location, offset)],
    );
    put(18, c::DW_TAG_formal_parameter, 0, &[origin, (location, block)]);
    put(19, c::DW_TAG_formal_parameter, 0, &[(name, string), result, (ty, refer)]);
    let captured = (0x2907, udata);
    put(20, c::DW_TAG_variable, 0, &[(name, string), (ty, refer), captured, (location, block)]);
}

fn types(asm: &mut Asm) {
    asm.label("int").uleb(10).text("int").u8(c::DW_ATE_signed.0).u8(8).u8(2).u64(0x100);
    asm.label("*int").uleb(13).text("*int").reference("int").u8(0).u64(0);
    asm.label("[3]int").uleb(11).text("[3]int").reference("int").uleb(24).u8(17).u64(0x180);
    asm.uleb(9).reference("int").uleb(3).u8(0);
    asm.label("struct").uleb(14).text("main.T").uleb(40).u8(25).u64(0x200);
    asm.uleb(8).text("n").uleb(0).reference("int").u8(0);
    asm.uleb(8).text("T2").uleb(8).reference("inner").u8(1).u8(0);
    asm.label("T").uleb(15).text("main.T").reference("struct");
    asm.label("inner").uleb(14).text("main.T2").uleb(32).u8(25).u64(0);
    asm.uleb(8).text("a").uleb(8).reference("[3]int").u8(0).u8(0);
    asm.label("hash").uleb(14).text("hash<int,main.T>").uleb(48).u8(25).u64(0).u8(0);
    asm.label("*hash").uleb(13).text("*hash<int,main.T>").reference("hash").u8(0).u64(0);
    asm.label("map").uleb(12).text("map[int]main.T").reference("*hash").u8(21).u64(0x300);
    asm.reference("int").reference("T");
    asm.label("loop").uleb(15).text("main.loop").reference("loop");
}

fn globals(asm: &mut Asm) {
    let mut at = vec![c::DW_OP_addr.0];
    at.extend(0x50_0000u64.to_le_bytes());
    asm.uleb(5).text("main.registry").block(&at).reference("map");
    asm.uleb(6).text("main.Limit").reference("int").u8(0x79); // −7 as a signed LEB128
}

/// `main.outer` at 0..0x300 with a block at 0x100..0x200 and an inlined `main.inner` at
/// 0x200..0x300.
fn functions(asm: &mut Asm, version: u16) {
    asm.label("main.inner").uleb(3).text("main.inner").u8(1);
    asm.label("k").uleb(19).text("k").u8(1).reference("int").u8(0);
    asm.uleb(2).text("main.outer").code(0, 0x300).block(&[CFA]).uleb(7);
    asm.uleb(16).text("&esc").uleb(8).reference("*int").block(&[FBREG, 0x68]); // −24
    asm.uleb(17).text("listed").uleb(9).reference("map").u32(0);
    asm.uleb(20).text("held").reference("map").uleb(16).block(&[]);
    asm.uleb(7).code(0x100, 0x200);
    let pieces = [REG0, PIECE, 8, PIECE, 8, CFA, PIECE, 8];
    asm.uleb(16).text("block").uleb(10).reference("inner").block(&pieces).u8(0);
    asm.uleb(4).reference("main.inner");
    match version {
        5 => asm.u32(0),
        _ => asm.u64(TEXT + 0x200).u64(TEXT + 0x300),
    };
    asm.uleb(18).reference("k").block(&[FBREG, 8, c::DW_OP_deref.0]);
    asm.u8(0).u8(0);
}

/// In register 3 from 0 to 0x10, at the CFA from there to 0x300.
fn location_list_4() -> Vec<u8> {
    let mut list = Vec::new();
    list.extend(u64::MAX.to_le_bytes());
    list.extend(TEXT.to_le_bytes());
    for (from, to, operation) in [(0u64, 0x10u64, REG0 + 3), (0x10, 0x300, CFA)] {
        list.extend(from.to_le_bytes());
        list.extend(to.to_le_bytes());
        list.extend([1, 0, operation]);
    }
    list.extend([0; 16]);
    list
}

fn location_list_5() -> Vec<u8> {
    let mut list = vec![c::DW_LLE_base_addressx.0, 0];
    list.extend([c::DW_LLE_offset_pair.0, 0, 0x10, 1, REG0 + 3]);
    list.extend([c::DW_LLE_offset_pair.0, 0x10, 0x80, 0x06, 1, CFA]);
    list.push(c::DW_LLE_end_of_list.0);
    list
}

fn range_list_5() -> Vec<u8> {
    let (base, pair) = (c::DW_RLE_base_addressx.0, c::DW_RLE_offset_pair.0);
    vec![base, 2, pair, 0, 0x80, 0x02, c::DW_RLE_end_of_list.0]
}

/// `.debug_addr`: a header, and the text in steps of 0x100.
fn addresses() -> Vec<u8> {
    let mut section = vec![0, 0, 0, 0, 5, 0, 8, 0];
    (0..4u64).for_each(|i| section.extend((TEXT + i * 0x100).to_le_bytes()));
    section
}
