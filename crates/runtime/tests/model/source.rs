//! Where the runtime keeps what: measured offsets of real builds, 1.23 for classic maps and 1.27 for
//! Swiss ones.

use mapscope_runtime::evidence::{Place, Source};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Classic,
    Swiss,
}

/// A structure, its size, and its members with offset and size.
type Layout = (&'static str, u64, &'static [(&'static str, u64, u64)]);

const CLASSIC: &[Layout] = &[
    (
        "runtime.hmap",
        48,
        &[
            ("count", 0, 8),
            ("flags", 8, 1),
            ("B", 9, 1),
            ("noverflow", 10, 2),
            ("hash0", 12, 4),
            ("buckets", 16, 8),
            ("oldbuckets", 24, 8),
            ("nevacuate", 32, 8),
            ("extra", 40, 8),
        ],
    ),
    ("runtime.mapextra", 24, &[("overflow", 0, 8), ("oldoverflow", 8, 8), ("nextOverflow", 16, 8)]),
];

const SWISS: &[Layout] = &[
    (
        "internal/runtime/maps.Map",
        48,
        &[
            ("used", 0, 8),
            ("seed", 8, 8),
            ("dirPtr", 16, 8),
            ("dirLen", 24, 8),
            ("globalDepth", 32, 1),
            ("globalShift", 33, 1),
            ("writing", 34, 1),
            ("tombstonePossible", 35, 1),
            ("clearSeq", 40, 8),
        ],
    ),
    (
        "internal/runtime/maps.table",
        32,
        &[
            ("used", 0, 2),
            ("capacity", 2, 2),
            ("growthLeft", 4, 2),
            ("localDepth", 6, 1),
            ("index", 8, 8),
            ("groups.data", 16, 8),
            ("groups.lengthMask", 24, 8),
        ],
    ),
];

/// The heap, of which this memory has none: every question for it goes to nil.
const HEAP: &[Layout] = &[
    ("runtime.mheap", 128, &[("allspans", 0, 24), ("arenas", 24, 8)]),
    ("runtime.heapArena", 8, &[("spans", 0, 8)]),
    (
        "runtime.mspan",
        160,
        &[
            ("startAddr", 24, 8),
            ("npages", 32, 8),
            ("freeindex", 48, 2),
            ("nelems", 50, 2),
            ("allocBits", 64, 8),
            ("gcmarkBits", 72, 8),
            ("sweepgen", 80, 4),
            ("spanclass", 98, 1),
            ("state.s.value", 99, 1),
            ("elemsize", 104, 8),
            ("largeType", 152, 8),
        ],
    ),
];

/// A goroutine, of Go 1.22.
const GOROUTINE: &[Layout] = &[(
    "runtime.g",
    424,
    &[
        ("stack.lo", 0, 8),
        ("stack.hi", 8, 8),
        ("m", 48, 8),
        ("sched.sp", 56, 8),
        ("sched.pc", 64, 8),
        ("syscallsp", 112, 8),
        ("syscallpc", 120, 8),
        ("atomicstatus.value", 144, 4),
        ("goid", 152, 8),
        ("waitreason", 176, 1),
        ("gopc", 280, 8),
        ("startpc", 296, 8),
    ],
)];

impl Shape {
    fn find(self, ty: &str) -> Option<&'static Layout> {
        let maps = if self == Shape::Classic { CLASSIC } else { SWISS };
        maps.iter().chain(HEAP).chain(GOROUTINE).find(|layout| layout.0 == ty)
    }
}

impl Source for Shape {
    fn name(&self) -> String {
        "the model".into()
    }

    fn size(&self, type_name: &str) -> Option<u64> {
        self.find(type_name).map(|layout| layout.1)
    }

    fn place(&self, type_name: &str, path: &str) -> Option<Place> {
        let members = self.find(type_name)?.2;
        let member = members.iter().find(|member| member.0 == path)?;
        Some(Place { offset: member.1, size: member.2 })
    }

    fn constant(&self, _: &str) -> Option<i64> {
        None
    }
}
