//! The runtime's structures that mapscope reads, and the members it reads of them.
//!
//! One declaration a structure. Each structure and each member may have several names, the newest
//! first: a rename upstream costs one string here. A member behind `?` may be absent.

use super::declare::{Asked, offset};
use super::{Missing, Source};

layouts! {
    /// `runtime.g`: a goroutine.
    G = ["runtime.g"] {
        /// Lowest address of its stack.
        stack_lo: ["stack.lo"],
        /// One past the highest address of its stack.
        stack_hi: ["stack.hi"],
        /// The thread that runs it.
        m: ["m"],
        /// Stack pointer while it does not run.
        sched_sp: ["sched.sp"],
        /// Program counter while it does not run.
        sched_pc: ["sched.pc"],
        /// Stack pointer while it is in a system call.
        syscallsp: ["syscallsp"],
        /// Program counter while it is in a system call.
        syscallpc: ["syscallpc"],
        /// `_Gwaiting` and so on; an `atomic.Uint32` since 1.20, a plain word before.
        atomicstatus: ["atomicstatus.value", "atomicstatus"],
        /// Its number.
        goid: ["goid"],
        /// Why it waits: an index into `runtime.waitReasonStrings`.
        waitreason: ["waitreason"],
        /// The `go` statement that made it.
        gopc: ["gopc"],
        /// The function it began with.
        startpc: ["startpc"],
        /// The goroutine that made it (since 1.21, golang.org/cl/496158).
        parent_goid ?optional: ["parentGoid"],
        /// Since when it waits, as the first garbage collection that saw it wait noted.
        waitsince ?optional: ["waitsince"],
        /// The labels that `runtime/pprof` keeps for profiles.
        labels ?optional: ["labels"],
        /// The innermost panic that it is in.
        panic ?optional: ["_panic"],
    }

    /// `runtime._panic`: a panic under way.
    Panic = ["runtime._panic"] {
        /// What it panics with, an `any`.
        arg: ["arg"],
        /// The panic that it interrupted.
        link: ["link"],
        /// A deferred function has recovered it.
        recovered: ["recovered"],
        /// It is no panic but `runtime.Goexit`.
        goexit: ["goexit"],
    }

    /// `runtime.m`: a thread.
    M = ["runtime.m"] {
        /// The goroutine for the scheduler's own work.
        g0: ["g0"],
        /// The goroutine it runs.
        curg: ["curg"],
        /// The kernel's thread id.
        procid: ["procid"],
        /// The goroutine for signal handlers.
        gsignal ?optional: ["gsignal"],
        /// Where it left the stack to read the clock; null otherwise.
        vdso_sp ?optional: ["vdsoSP"],
        /// The return address of that.
        vdso_pc ?optional: ["vdsoPC"],
        /// Its number, `M3` of Go's own traces.
        id ?optional: ["id"],
        /// The processor it holds; null in a system call.
        p ?optional: ["p"],
    }

    /// `runtime.p`: a processor, which a thread needs to run Go code.
    P = ["runtime.p"] {
        /// Its number.
        id: ["id"],
        /// Its cache of spans.
        mcache: ["mcache"],
        /// When the monitor last saw its scheduler's tick change.
        schedwhen ?optional: ["sysmontick.schedwhen"],
        /// When the monitor last saw its system calls' tick change.
        syscallwhen ?optional: ["sysmontick.syscallwhen"],
    }

    /// `runtime.mcache`: the spans that one processor allocates from.
    Mcache = ["runtime.mcache"] {
        /// `[numSpanClasses]*mspan`.
        alloc: ["alloc"],
    }

    /// `runtime.hiter`: an iterator over a classic map.
    Hiter = ["runtime.hiter"] {
        /// The key it stands at; null at the end.
        key: ["key"],
        /// The map's type.
        t: ["t"],
        /// The map.
        h: ["h"],
    }

    /// `internal/runtime/maps.Iter`: an iterator over a Swiss map.
    SwissIter = ["internal/runtime/maps.Iter"] {
        /// The key it stands at; null at the end.
        key: ["key"],
        /// The map's type.
        typ: ["typ"],
        /// The map.
        m: ["m"],
    }

    /// `runtime.mheap`: the heap.
    Mheap = ["runtime.mheap"] {
        /// Every span that ever was, as a slice.
        allspans: ["allspans"],
        /// `[1 << arenaL1Bits]*[1 << arenaL2Bits]*heapArena`.
        arenas: ["arenas"],
        /// Rises by 2 with each garbage collection.
        sweepgen ?optional: ["sweepgen"],
        /// `[numSpanClasses]struct { mcentral mcentral; pad }`.
        central ?optional: ["central"],
    }

    /// `runtime.mcentral`: the spans of one class that no processor's cache has.
    Mcentral = ["runtime.mcentral"] {
        /// Those with a free object, as `[2]spanSet`: swept and not, in turn.
        partial: ["partial"],
        /// Those without, in the same way.
        full: ["full"],
    }

    /// `runtime.spanSet`: spans, in blocks.
    SpanSet = ["runtime.spanSet"] {
        /// `*[]*spanSetBlock`.
        spine: ["spine"],
        /// How many blocks it has.
        spine_len: ["spineLen"],
        /// In its upper half the number of the first entry, in its lower that behind the last.
        index: ["index"],
    }

    /// `runtime.spanSetBlock`: a block of them.
    SpanSetBlock = ["runtime.spanSetBlock"] {
        /// `[512]*mspan`.
        spans: ["spans"],
    }

    /// `runtime.heapArena`: what the heap knows of 64 MiB of address space.
    HeapArena = ["runtime.heapArena"] {
        /// `[pagesPerArena]*mspan`.
        spans: ["spans"],
    }

    /// `runtime.mspan`: a run of pages that holds objects of one size.
    Mspan = ["runtime.mspan"] {
        /// Its first byte.
        start_addr: ["startAddr"],
        /// Its length in pages.
        npages: ["npages"],
        /// Objects below this index are in use.
        freeindex: ["freeindex"],
        /// How many objects it holds; two bytes wide since 1.22, a word before.
        nelems: ["nelems"],
        /// One bit an object: in use, among those from `freeindex` on.
        alloc_bits: ["allocBits"],
        /// `sizeclass << 1 | noscan`.
        spanclass: ["spanclass"],
        /// `mSpanInUse` and so on.
        state: ["state.s.value", "state.s"],
        /// Object size in bytes.
        elemsize: ["elemsize"],
        /// Against the heap's: whether it is swept, and whether a processor's cache has it.
        sweepgen ?optional: ["sweepgen"],
        /// How many of its objects are in use, as of the last sweep where a cache has it.
        alloc_count ?optional: ["allocCount"],
        /// The type of the one object of a large span (since 1.22, allocheaders).
        large_type ?optional: ["largeType"],
    }

    /// `runtime.moduledata`: what the linker tells the runtime.
    Moduledata = ["runtime.moduledata"] {
        /// First instruction.
        text: ["text"],
        /// End of the instructions.
        etext: ["etext"],
        /// Initialised data without pointers.
        noptrdata: ["noptrdata"],
        /// End of it.
        enoptrdata: ["enoptrdata"],
        /// Initialised data with pointers.
        data: ["data"],
        /// End of it.
        edata: ["edata"],
        /// Zeroed data with pointers.
        bss: ["bss"],
        /// End of it.
        ebss: ["ebss"],
        /// Zeroed data without pointers.
        noptrbss: ["noptrbss"],
        /// End of it.
        enoptrbss: ["enoptrbss"],
        /// Where type descriptors begin; offsets in descriptors count from here.
        types: ["types"],
        /// Where they end.
        etypes: ["etypes"],
        /// Bytes of contiguous descriptors from `types` on (since 1.27).
        typedesclen ?optional: ["typedesclen"],
        /// `[]int32`: offsets of descriptors from `types` (until 1.26).
        typelinks ?optional: ["typelinks"],
        /// What funcdata offsets count from (since 1.18).
        gofunc: ["gofunc"],
        /// The next module, with plugins.
        next: ["next"],
    }

    /// `abi.Type`: the head of every type descriptor.
    RType = ["internal/abi.Type", "runtime._type"] {
        /// Size in bytes of a value.
        size_: ["Size_", "size"],
        /// How far into a value pointers reach, in bytes.
        ptr_bytes: ["PtrBytes", "ptrdata"],
        /// Flags; see [`TFlags`].
        tflag: ["TFlag", "tflag"],
        /// Alignment of a value.
        align: ["Align_", "align"],
        /// `reflect.Kind`, in the low five bits.
        kind: ["Kind_", "kind"],
        /// One bit a pointer-sized word: holds a pointer.
        gcdata: ["GCData", "gcdata"],
        /// Offset of the name from `moduledata.types`.
        str: ["Str", "str"],
    }

    /// `abi.PtrType`.
    PtrType = ["internal/abi.PtrType", "runtime.ptrtype"] {
        /// What it points to.
        elem: ["Elem", "elem"],
    }

    /// `abi.SliceType`.
    SliceType = ["internal/abi.SliceType", "runtime.slicetype"] {
        /// Its element.
        elem: ["Elem", "elem"],
    }

    /// `abi.ArrayType`.
    ArrayType = ["internal/abi.ArrayType", "runtime.arraytype"] {
        /// Its element.
        elem: ["Elem", "elem"],
        /// How many.
        len: ["Len", "len"],
    }

    /// `abi.ChanType`.
    ChanType = ["internal/abi.ChanType", "runtime.chantype"] {
        /// What goes through it.
        elem: ["Elem", "elem"],
    }

    /// `abi.StructType`.
    StructType = ["internal/abi.StructType", "runtime.structtype"] {
        /// `[]structField`.
        fields: ["Fields", "fields"],
    }

    /// `abi.StructField`.
    StructField = ["internal/abi.StructField", "runtime.structfield"] {
        /// `abi.Name`: a pointer to flags, a varint length and the name.
        name: ["Name.Bytes", "name.bytes", "Name", "name"],
        /// Its type.
        typ: ["Typ", "typ"],
        /// Its offset; with the embedded flag in bit 0 until 1.18.
        offset: ["Offset", "offset", "offsetAnon"],
    }

    /// `abi.InterfaceType`.
    InterfaceType = ["internal/abi.InterfaceType", "runtime.interfacetype"] {
        /// `[]imethod`; none for `any`.
        methods: ["Methods", "mhdr"],
    }

    /// `abi.FuncType`.
    FuncType = ["internal/abi.FuncType", "runtime.functype"] {
        /// How many parameters.
        in_count: ["InCount", "inCount"],
        /// How many results; variadic in the top bit.
        out_count: ["OutCount", "outCount"],
    }

    /// `abi.UncommonType`: what follows the descriptor of a type with methods.
    UncommonType = ["internal/abi.UncommonType", "runtime.uncommontype"] {
        /// Offset of the package's path from `moduledata.types`.
        pkg_path: ["PkgPath", "pkgpath"],
        /// How many methods.
        mcount: ["Mcount", "mcount"],
    }

    /// `abi.ITab`: what a non-empty interface points to first.
    Itab = ["internal/abi.ITab", "runtime.itab"] {
        /// The dynamic type.
        typ: ["Type", "_type"],
    }

    /// The descriptor of a map type, whichever implementation is in the binary.
    MapDescriptor = [
        "internal/abi.MapType",
        "internal/abi.SwissMapType",
        "internal/abi.OldMapType",
        "runtime.maptype"
    ] {
        /// Key type.
        key: ["Key", "key"],
        /// Elem type.
        elem: ["Elem", "elem"],
        /// The closure that hashes keys.
        hasher ?optional: ["Hasher", "hasher"],
        /// Group type (Swiss).
        group ?optional: ["Group"],
        /// Bytes a group takes (Swiss).
        group_size ?optional: ["GroupSize"],
        /// Bytes from one slot to the next, key and elem side by side (1.24 to 1.26).
        slot_size ?optional: ["SlotSize"],
        /// From a group to its first key (since 1.27).
        keys_off ?optional: ["KeysOff"],
        /// From one key to the next (since 1.27).
        key_stride ?optional: ["KeyStride"],
        /// From a group to its first elem (since 1.27).
        elems_off ?optional: ["ElemsOff"],
        /// From one elem to the next (since 1.27).
        elem_stride ?optional: ["ElemStride"],
        /// From a key to its elem (Swiss, interleaved).
        elem_off ?optional: ["ElemOff"],
        /// Bucket type (classic).
        bucket ?optional: ["Bucket", "bucket"],
        /// Bytes a bucket's key takes (classic).
        key_size ?optional: ["KeySize", "keysize"],
        /// Bytes a bucket's elem takes (classic).
        value_size ?optional: ["ValueSize", "elemsize", "valuesize"],
        /// Bytes a bucket takes (classic).
        bucket_size ?optional: ["BucketSize", "bucketsize"],
        /// Flags; their bits differ between the implementations.
        flags: ["Flags", "flags"],
    }

    /// `runtime.hmap`: the header of a classic map.
    Hmap = ["runtime.hmap"] {
        /// Live entries: what `len` returns.
        count: ["count"],
        /// `iterator`, `oldIterator`, `hashWriting`, `sameSizeGrow`.
        flags: ["flags"],
        /// log2 of the number of buckets.
        b: ["B"],
        /// Overflow buckets, about.
        noverflow: ["noverflow"],
        /// Hash seed.
        hash0: ["hash0"],
        /// The buckets.
        buckets: ["buckets"],
        /// The buckets before the growth that is under way.
        oldbuckets: ["oldbuckets"],
        /// Old buckets below this are evacuated.
        nevacuate: ["nevacuate"],
        /// `*mapextra`.
        extra: ["extra"],
    }

    /// `runtime.mapextra`.
    MapExtra = ["runtime.mapextra"] {
        /// `*[]*bmap`: the overflow buckets, where buckets hold no pointers.
        overflow: ["overflow"],
        /// The same for `oldbuckets`.
        oldoverflow: ["oldoverflow"],
        /// The first unused spare bucket.
        next_overflow: ["nextOverflow"],
    }

    /// `internal/runtime/maps.Map`: the header of a Swiss map.
    SwissMap = ["internal/runtime/maps.Map"] {
        /// Live entries: what `len` returns.
        used: ["used"],
        /// Hash seed.
        seed: ["seed"],
        /// The directory, or the one group of a small map.
        dir_ptr: ["dirPtr"],
        /// Directory entries; 0 for a small map.
        dir_len: ["dirLen"],
        /// log2 of `dirLen`.
        global_depth: ["globalDepth"],
        /// `64 - globalDepth`.
        global_shift: ["globalShift"],
        /// Toggled by a writer at begin and end.
        writing: ["writing"],
        /// A delete may have left a tombstone (since 1.25).
        tombstone_possible ?optional: ["tombstonePossible"],
        /// How often it was cleared.
        clear_seq: ["clearSeq"],
    }

    /// `internal/runtime/maps.table`.
    SwissTable = ["internal/runtime/maps.table"] {
        /// Live entries in this table.
        used: ["used"],
        /// Its slots.
        capacity: ["capacity"],
        /// Inserts into empty slots left before it grows.
        growth_left: ["growthLeft"],
        /// Hash bits that lead to it.
        local_depth: ["localDepth"],
        /// Its first directory entry; -1 once it was replaced.
        index: ["index"],
        /// Its groups.
        groups_data: ["groups.data"],
        /// Number of groups - 1.
        groups_length_mask: ["groups.lengthMask"],
    }

    /// `runtime.hchan`: a channel.
    Hchan = ["runtime.hchan"] {
        /// Elements in the buffer.
        qcount: ["qcount"],
        /// Size of the buffer in elements.
        dataqsiz: ["dataqsiz"],
        /// The buffer.
        buf: ["buf"],
        /// Where in the buffer the next receive reads.
        recvx: ["recvx"],
    }
}
