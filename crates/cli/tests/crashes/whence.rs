//! Where the nil maps came from that are no field of a struct, or of one whose type a stripped program does not
//! have: by their source, and by how Go passes arguments (cmd/compile/abi-internal.md).

/// Of each such program what is said; `…` stands for addresses, lines, and what is known at run time only.
const WHENCE: [(&str, &str); 26] = [
    ("nil-anonymous-struct", "nil, which the function itself makes on one of the ways …"),
    ("nil-array-element", "the receiver, a *main.Shards -> +0x20"),
    ("nil-array-field", "the receiver, a *main.Shards -> +0x10, item 2 of 8 bytes each"),
    (
        "nil-big-elem",
        "argument 1 (RAX), passed by main.init…: nil, which the function itself makes",
    ),
    (
        "nil-by-value",
        "argument 3 (RCX), passed by main.init…: nil, which the function itself makes",
    ),
    ("nil-captured", "what the closure has captured at +0x8"),
    ("nil-captured-reference", "what the closure has captured at +0x8 -> +0x0"),
    ("nil-constructor-inlined", "nil, which the function itself makes"),
    ("nil-deep-field", "the receiver, a *main.Outer -> +0x28"),
    ("nil-elem-inlined", "the elem of key 3 in a map[int8]map[string]bool"),
    ("nil-embedded-nested", "the receiver, a *main.Outer -> +0x18"),
    (
        "nil-generic-function",
        "argument 2 (RBX), passed by main.init…: nil, which the function itself makes",
    ),
    // Some releases see that it is never set, others load it from the stack.
    ("nil-generic-scope", "nil, which the function itself makes"),
    ("nil-generic-scope", "a variable of the function itself -> +0x10 -> +0x8"),
    ("nil-global", "the variable at 0x… (…+0x…)"),
    ("nil-global-array", "item 2 of 8 bytes each from the variable at 0x… (…+0x…) on"),
    ("nil-global-struct", "the variable at 0x… (…+0x…)"),
    ("nil-handed-on", "argument 1 (RAX), passed by main.(*Session).hand (…): ….flags"),
    ("nil-list", "argument 1 (RAX) -> +0x0 -> +0x0 -> +0x8"),
    ("nil-local", "nil, which the function itself makes on one of the ways …"),
    ("nil-map-of-maps", "the elem of key \"none\" in a map[string]map[int]bool"),
    (
        "nil-parameter",
        "argument 1 (RAX), passed by main.init…: nil, which the function itself makes",
    ),
    ("nil-pointer-to-map", "argument 1 (RAX) -> +0x0"),
    ("nil-returned", "what main.tableOf returned"),
    ("nil-shard", "the receiver, a *main.Tally -> +0x30, … of 40 bytes each"),
    ("nil-slice-of-maps", "argument 1 (RAX) -> item 2 of 8 bytes each"),
];

/// Where the map of that program came from, in any of these words.
pub(crate) fn whence(name: &str) -> Vec<&'static str> {
    WHENCE.iter().filter(|(own, _)| *own == name).map(|(_, whence)| *whence).collect()
}

/// Whether what is said is that; the package of a test binary is named after its module.
pub(crate) fn is(said: &str, whence: &str) -> bool {
    let said = said.replace("crashes.", "main.");
    let mut parts = whence.split('…');
    let mut rest = parts.next().and_then(|first| said.strip_prefix(first));
    for part in parts {
        rest = match rest {
            Some(rest) if part.is_empty() => Some(&rest[rest.len()..]),
            Some(rest) => rest.find(part).map(|at| &rest[at + part.len()..]),
            None => None,
        };
    }
    rest == Some("")
}
