// Stops a program at the instruction where it begins to die, before any other of its threads can run
// on, and says which thread it was and what its registers held.
//
// Built by `cargo xtask bpf`; the object beside it is what mapscope carries. It needs no header: what
// it takes from the kernel is stable, and named here by what the kernel calls it.

typedef unsigned int u32;
typedef int s32;
typedef unsigned long u64;

#define SEC(name) __attribute__((section(name), used))
#define MAP_KIND(n) int(*type)[n]
#define MAP_SIZE(n) int(*max_entries)[n]

// Numbers of helpers: include/uapi/linux/bpf.h.
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*now)(void) = (void *)5;
static u64 (*current)(void) = (void *)14;
static long (*signal_thread)(u32 signal) = (void *)117;
struct ns_pid {
	u32 tid;
	u32 pid;
};
static long (*current_in)(u64 dev, u64 inode, struct ns_pid *to, u32 size) = (void *)120;
static void *(*reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*submit)(void *entry, u64 flags) = (void *)132;

// BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_RINGBUF; BPF_NOEXIST.
enum { HASH = 1, ARRAY = 2, RING = 27, NOT_THERE = 1 };
// SIGSTOP, which no program can catch, block or ignore.
enum { STOP = 19 };

// struct pt_regs of x86-64 (arch/x86/include/uapi/asm/ptrace.h): 21 words.
struct registers {
	u64 word[21];
};

struct hit {
	u32 pid;
	u32 tid;
	// 1: this hit stopped the program. 0: another had done so before, or nobody did.
	u32 stopped;
	// Why the program was not stopped: what the kernel said.
	s32 refused;
	// By CLOCK_MONOTONIC, in nanoseconds.
	u64 when;
	struct registers registers;
};

struct {
	MAP_KIND(RING);
	MAP_SIZE(1 << 18);
} hits SEC(".maps");

// The programs that are stopped, by the process. Who lets one go takes it out.
struct {
	MAP_KIND(HASH);
	MAP_SIZE(1024);
	u32 *key;
	u32 *value;
} stopped SEC(".maps");

// Hits that there was no room for.
struct {
	MAP_KIND(ARRAY);
	MAP_SIZE(1);
	u32 *key;
	u64 *value;
} lost SEC(".maps");

static void *(*map_lookup)(void *map, const void *key) = (void *)1;

// The PID namespace of who loaded this: device and inode of /proc/self/ns/pid.
const volatile u64 ns_device = 0;
const volatile u64 ns_inode = 0;

static __attribute__((always_inline)) void count_lost(void)
{
	u32 zero = 0;
	u64 *count = map_lookup(&lost, &zero);
	if (count)
		__sync_fetch_and_add(count, 1);
}

SEC("uprobe")
int stop(struct registers *registers)
{
	struct ns_pid own = {};
	struct hit *hit = reserve(&hits, sizeof *hit, 0);
	if (!hit) {
		count_lost();
		return 0;
	}
	// A process of a namespace below the loader's is known by its number in the kernel's own.
	if (current_in(ns_device, ns_inode, &own, sizeof own)) {
		u64 both = current();
		own.pid = both >> 32;
		own.tid = (u32)both;
	}
	hit->pid = own.pid;
	hit->tid = own.tid;
	hit->when = now();
	hit->stopped = 0;
	hit->refused = 0;
	u32 pid = own.pid, one = 1;
	// The first hit stops the program; those that come before that has reached them do not.
	if (map_update(&stopped, &pid, &one, NOT_THERE) == 0) {
		hit->refused = signal_thread(STOP);
		hit->stopped = hit->refused == 0;
	}
#pragma unroll
	for (int i = 0; i < 21; i++)
		hit->registers.word[i] = registers->word[i];
	submit(hit, 0);
	return 0;
}

const char licence[] SEC("license") = "Dual MIT/GPL";
