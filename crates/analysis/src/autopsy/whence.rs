//! Where a nil map came from that is no field of a known struct, in words.

use mapscope_binary::FileVa;
use mapscope_report::Value;
use mapscope_runtime::find::data_name;
use mapscope_runtime::origin::naming::{By, FieldOf, Named, Namer};
use mapscope_runtime::origin::{Made, Origin, registers};

use mapscope_runtime::types::TypeId;

use super::callers::{MAX_CALLERS, caller};
use super::nil::is_map;
use super::scene::{Followed, Scene};

/// Pointers in pointers that are told.
const MAX_DEPTH: usize = 8;

/// A pointer's index: the value, and the size of an item.
type Index = Option<(Box<Origin>, u32)>;

/// Where a map came from.
pub(super) struct Whence {
    /// In words.
    pub(super) words: String,
    /// The field that a caller has passed.
    pub(super) field: Option<FieldOf>,
}

/// Where `value` came from, a map of that type; `None` where the code of its function was not understood.
pub(super) fn whence<'g, 'a>(
    scene: &Scene<'_, '_, 'g, 'a>,
    value: Followed<'g, 'a>,
    map: Option<TypeId>,
) -> Option<Whence> {
    if value.origin.made == Made::Unknown {
        return None;
    }
    let mut field = None;
    let mut words = Way { scene, value: &value, map }.words(&value.origin.made, MAX_DEPTH);
    let mut passed = value;
    for _ in 0..MAX_CALLERS {
        let Some(caller) = caller(scene, &passed) else { break };
        let (function, line) = scene.frame(caller.frame)?;
        words = format!("{words}, passed by {function}");
        if let Some(line) = line.filter(|line| line.line > 0) {
            words = format!("{words} ({}:{})", line.file, line.line);
        }
        let way = Way { scene, value: &caller, map };
        let named = way.named();
        let made = || way.words(&caller.origin.made, MAX_DEPTH);
        let text = named.as_ref().map_or_else(made, |named| named.text.clone());
        words = format!("{words}: {text}");
        field = named.and_then(|named| named.field);
        passed = caller;
    }
    Some(Whence { words, field })
}

/// A value of one frame.
struct Way<'w, 's, 'f, 'p, 'g, 'a> {
    scene: &'s Scene<'f, 'p, 'g, 'a>,
    value: &'w Followed<'g, 'a>,
    map: Option<TypeId>,
}

impl<'w, 'g, 'a> Way<'w, '_, '_, '_, 'g, 'a> {
    /// What the source calls it, or the field that it is.
    fn named(&self) -> Option<Named> {
        let named = self.namer().name(&self.value.origin)?;
        let says_more = named.field.is_some() || named.by == By::Dwarf;
        (is_map(self.scene.go, &named) && says_more).then_some(named)
    }

    fn namer(&self) -> Namer<'w, 'g, 'a> {
        Namer::new(&self.value.body, self.value.entry)
    }

    /// How a value was made.
    fn words(&self, made: &Made, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else { return UNKNOWN.into() };
        match made {
            Made::Constant(0) => "nil, which the function itself makes".into(),
            Made::Constant(number) => format!("{number:#x}"),
            Made::Address(va) => self.data(*va),
            Made::Frame(_) => "a variable of the function itself".into(),
            Made::Argument(number) => self.argument(*number),
            Made::Stacked(slot) => format!("an argument on the stack, frame{slot:+#x}"),
            Made::Context => "the closure".into(),
            Made::Result { call, callee, number } => self.result(*call, *callee, *number),
            Made::Received | Made::Filled { channel: true, .. } => {
                "what it received from a channel".into()
            }
            Made::Filled { callee, .. } => self.filled(*callee),
            Made::Word { base, index, offset } => self.word(base, index, *offset, depth),
            Made::Inside { base, index, offset } => {
                format!("the address of {}", self.word(base, index, *offset, depth))
            }
            Made::Either(ways) => self.either(ways, depth),
            Made::Times { .. } | Made::Again | Made::Unknown => UNKNOWN.into(),
        }
    }

    /// What the function was called with.
    fn argument(&self, number: u8) -> String {
        let origin = Origin { made: Made::Argument(number), kept: Vec::new() };
        if let Some(name) = self.map.and_then(|map| self.namer().receiver_of(&origin, map)) {
            return format!("the receiver, a *{name}");
        }
        let register = registers::argument(number).unwrap_or("?");
        format!("argument {} ({register})", usize::from(number) + 1)
    }

    /// What a function returned that was called, or an elem that was looked up.
    fn result(&self, call: FileVa, callee: Option<FileVa>, number: u8) -> String {
        if number == 0
            && let Some(elem) = self.elem(call)
        {
            return format!("the address of {elem}");
        }
        let table = self.scene.go.pclntab();
        let callee = callee.and_then(|callee| table?.find(callee)).map(|callee| callee.name());
        format!("what {} returned", callee.unwrap_or("a function"))
    }

    /// What a function has put into a variable of the frame.
    fn filled(&self, callee: Option<FileVa>) -> String {
        let table = self.scene.go.pclntab();
        let callee = callee.and_then(|callee| table?.find(callee)).map(|callee| callee.name());
        format!("a variable that {} has filled", callee.unwrap_or("a function"))
    }

    /// The elem whose address an operation of a map returned.
    fn elem(&self, call: FileVa) -> Option<String> {
        let site = self.scene.call(self.value.frame, call)?;
        let map = site.map_type()?;
        let key: Option<Value<'_>> = site.key(map);
        let key = key.map_or_else(|| "a key that was not kept".into(), |key| format!("key {key}"));
        Some(format!("the elem of {key} in a {}", self.scene.go.types.get(map).name))
    }

    /// A word that was loaded from where a pointer leads.
    fn word(&self, base: &Origin, index: &Index, offset: i64, depth: usize) -> String {
        let item = index.as_ref().map(|(index, scale)| self.item(index, *scale));
        match (&base.made, &item) {
            (Made::Address(va), None) => self.data(FileVa(va.0.saturating_add_signed(offset))),
            (Made::Address(va), Some(item)) => {
                format!("{item} from {} on", self.data(FileVa(va.0.saturating_add_signed(offset))))
            }
            (Made::Context, None) => {
                format!("what the closure has captured at {offset:+#x}")
            }
            (Made::Result { call, number: 0, .. }, None) => match (self.elem(*call), offset) {
                (Some(elem), 0) => elem,
                (Some(elem), _) => format!("{elem} -> {offset:+#x}"),
                (None, _) => format!("{} -> {offset:+#x}", self.words(&base.made, depth)),
            },
            (_, None) => format!("{} -> {offset:+#x}", self.words(&base.made, depth)),
            (_, Some(item)) if offset == 0 => {
                format!("{} -> {item}", self.words(&base.made, depth))
            }
            (_, Some(item)) => {
                format!("{} -> {offset:+#x}, {item}", self.words(&base.made, depth))
            }
        }
    }

    /// An item of an array.
    fn item(&self, index: &Origin, scale: u32) -> String {
        let (index, size) = index.stride(u64::from(scale));
        match self.scene.value_in(self.value.frame, index) {
            Some(number) => format!("item {number} of {size} bytes each"),
            None => format!("an item of {size} bytes each"),
        }
    }

    /// A place in the executable's data.
    fn data(&self, va: FileVa) -> String {
        let at = self.scene.go.addr_of(va);
        match data_name(self.scene.go, at) {
            Some(name) => format!("the variable at {at} ({name})"),
            None => format!("the variable at {at}"),
        }
    }

    /// One of several: of those that may be nil.
    fn either(&self, ways: &[Origin], depth: usize) -> String {
        let all = ways.iter().filter(|way| way.made != Made::Again && !self.is_there(&way.made));
        let mut told: Vec<String> = all.map(|way| self.words(&way.made, depth)).collect();
        told.dedup();
        match told.as_slice() {
            [] | [_, _, _, _, ..] => "one of several values, by the way that the code took".into(),
            [only] => format!("{only} on one of the ways that the code may take"),
            some => some.join(", or "),
        }
    }

    /// Whether it is no nil: a map that was just made, or an address.
    fn is_there(&self, made: &Made) -> bool {
        let callee = match made {
            Made::Frame(_) | Made::Address(_) => return true,
            Made::Result { callee: Some(callee), .. } => *callee,
            _ => return false,
        };
        let callee = self.scene.go.pclntab().and_then(|table| table.find(callee));
        callee.is_some_and(|callee| callee.name().starts_with("runtime.makemap"))
    }
}

const UNKNOWN: &str = "what is not known";
