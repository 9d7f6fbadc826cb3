//! 1:N search beside what the machine can do at best, one thread.
//!
//! ```sh
//! cargo bench -p edge-runtime --bench search -- [--json] [ROWS]...
//! ```
//!
//! Galleries of `ROWS` random embeddings of dimension 128, the 10 nearest to 1 query and
//! to 16. The bound of one query is how fast the same bytes can be read: the sum of all,
//! in the widest loads. The peak of 16 is how fast `vpdpbusd` multiplies what is in
//! registers already, and their bound the slower of reading and multiplying so. All take
//! turns in one run, so that a busy machine slows all alike; times are the thread's own,
//! figures are medians over turns, and shares are between neighbours of one turn.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fs::read_to_string;
use std::hint::black_box;
use std::thread::yield_now;

use edge_runtime::kernels::InstructionSet;
use edge_runtime::search::{Gallery, Match, OwnedGallery};

const DIM: usize = 128;
const BATCH: usize = 16;
const NEAREST: usize = 10;
const TURNS: usize = 25;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let rows = arguments.iter().filter_map(|text| text.parse().ok());
    let mut rows: Vec<usize> = rows.collect();
    if rows.is_empty() {
        rows = vec![100_000, 1_000_000, 2_000_000];
    }
    let instructions = InstructionSet::fastest();
    let figures: Vec<Figures> = rows.into_iter().map(measure).collect();
    if json {
        let figures: Vec<String> = figures.iter().map(Figures::json).collect();
        println!("[{}]", figures.join(", "));
        return;
    }
    println!("dimension {DIM}, {NEAREST} nearest, one thread, {instructions:?}");
    println!("     rows |   read |      1 query              |      16 queries");
    println!(
        "          |   GB/s |     ms    GB/s   of read  |     ms   GMAC/s   of peak  of bound"
    );
    for figures in figures {
        println!("{}", figures.line());
    }
}

/// Medians over turns.
struct Figures {
    rows: usize,
    /// Seconds to read all.
    read: f64,
    /// Seconds to search for one query, and for [`BATCH`].
    one: f64,
    batch: f64,
    /// Multiply-accumulates a second of registers.
    peak: f64,
    share_of_read: f64,
    share_of_peak: f64,
    share_of_bound: f64,
}

impl Figures {
    fn bytes(&self) -> f64 {
        (self.rows * DIM) as f64
    }

    fn macs_per_second(&self) -> f64 {
        self.bytes() * BATCH as f64 / self.batch
    }

    fn line(&self) -> String {
        format!(
            "{:9} | {:6.2} | {:6.2}  {:6.2}    {:4.0} %  | {:6.2}   {:6.1}    {:4.0} %     {:4.0} %",
            self.rows,
            self.bytes() / self.read / 1e9,
            self.one * 1e3,
            self.bytes() / self.one / 1e9,
            self.share_of_read * 100.0,
            self.batch * 1e3,
            self.macs_per_second() / 1e9,
            self.share_of_peak * 100.0,
            self.share_of_bound * 100.0,
        )
    }

    fn json(&self) -> String {
        format!(
            "{{\"rows\": {}, \"dim\": {DIM}, \"read_seconds\": {}, \"one_query_seconds\": {}, \"batch\": {BATCH}, \"batch_seconds\": {}, \"peak_macs_per_second\": {}, \"one_query_share_of_read\": {}, \"batch_share_of_peak\": {}, \"batch_share_of_bound\": {}}}",
            self.rows,
            self.read,
            self.one,
            self.batch,
            self.peak,
            self.share_of_read,
            self.share_of_peak,
            self.share_of_bound
        )
    }
}

fn measure(rows: usize) -> Figures {
    let mut random = Random(1);
    let mut gallery = OwnedGallery::new(DIM).unwrap();
    for _ in 0..rows {
        gallery.push(&random.embedding()).unwrap();
    }
    let queries: Vec<[i8; DIM]> = (0..BATCH).map(|_| random.embedding()).collect();
    let queries: Vec<&[i8]> = queries.iter().map(|query| &query[..]).collect();
    let (packed, gallery) = (gallery.packed(), gallery.as_gallery());
    // Clocks are read seldom enough not to matter.
    let repeats = (500_000 / rows).max(1);
    let turns = (0..=TURNS).map(|_| {
        let repeated =
            |work: &dyn Fn()| seconds(|| (0..repeats).for_each(|_| work())) / repeats as f64;
        let read = repeated(&|| reference::read(packed));
        let one = repeated(&|| search(&gallery, &queries[..1]));
        let batch = repeated(&|| search(&gallery, &queries));
        let mut macs = 0.0;
        let peak = seconds(|| macs = reference::multiply());
        [read, one, batch, macs / peak]
    });
    // The first turn warms up.
    let turns: Vec<[f64; 4]> = turns.skip(1).collect();
    let median_of = |figure: &dyn Fn(&[f64; 4]) -> f64| median(turns.iter().map(figure));
    let batch_macs = (rows * DIM * BATCH) as f64;
    Figures {
        rows,
        read: median_of(&|turn| turn[0]),
        one: median_of(&|turn| turn[1]),
        batch: median_of(&|turn| turn[2]),
        peak: median_of(&|turn| turn[3]),
        share_of_read: median_of(&|turn| turn[0] / turn[1]),
        share_of_peak: median_of(&|turn| batch_macs / turn[2] / turn[3]),
        share_of_bound: median_of(&|turn| turn[0].max(batch_macs / turn[3]) / turn[2]),
    }
}

fn search(gallery: &Gallery<'_>, queries: &[&[i8]]) {
    let mut places = [Match::default(); NEAREST * BATCH];
    let places = &mut places[..NEAREST * queries.len()];
    gallery.nearest_of_each(queries, places).unwrap();
    black_box(places);
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The processor time that `work` takes.
fn seconds(work: impl FnOnce()) -> f64 {
    let begin = thread_nanoseconds();
    work();
    (thread_nanoseconds() - begin) as f64 * 1e-9
}

/// Processor time of this thread so far, as Linux accounts for it.
fn thread_nanoseconds() -> u64 {
    // Accounts are kept when the scheduler runs.
    yield_now();
    let accounts = read_to_string("/proc/thread-self/schedstat");
    let accounts = accounts.expect("expected Linux, which keeps account of a thread's time");
    accounts.split(' ').next().unwrap().parse().unwrap()
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn embedding(&mut self) -> [i8; DIM] {
        let mut embedding = [0; DIM];
        for part in embedding.as_chunks_mut::<8>().0 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *part = self.0.to_le_bytes().map(u8::cast_signed);
        }
        embedding
    }
}

/// What this processor can do at best.
#[cfg(target_arch = "x86_64")]
mod reference {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi64, _mm512_dpbusd_epi32, _mm512_loadu_si512,
        _mm512_reduce_add_epi64, _mm512_set1_epi32, _mm512_setzero_si512,
    };
    use std::hint::black_box;

    /// Registers that are summed into: enough that none waits for itself.
    const REGISTERS: usize = 16;
    const REGISTER: usize = size_of::<__m512i>();
    const ROUNDS: usize = 1_000_000;

    fn check() {
        let is_supported =
            std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vnni");
        assert!(
            is_supported,
            "expected a processor with AVX-512 VNNI, found none: the bounds are measured with it"
        );
    }

    /// Reads all bytes.
    pub(super) fn read(bytes: &[u8]) {
        check();
        // SAFETY: the processor was checked to have what the function is compiled for.
        black_box(unsafe { sum(bytes) });
    }

    /// Multiplies in registers; the number of multiply-accumulates.
    pub(super) fn multiply() -> f64 {
        check();
        // SAFETY: the processor was checked to have what the function is compiled for.
        unsafe { multiply_registers() };
        (ROUNDS * REGISTERS * REGISTER) as f64
    }

    #[target_feature(enable = "avx512f")]
    fn sum(bytes: &[u8]) -> i64 {
        let mut sums = [_mm512_setzero_si512(); REGISTERS];
        for part in bytes.as_chunks::<{ REGISTERS * REGISTER }>().0 {
            for (sum, line) in sums.iter_mut().zip(part.as_chunks::<REGISTER>().0) {
                // SAFETY: a line is as many readable bytes as a register has.
                let line = unsafe { _mm512_loadu_si512(line.as_ptr().cast()) };
                *sum = _mm512_add_epi64(*sum, line);
            }
        }
        let mut total = 0i64;
        for sum in sums {
            total = total.wrapping_add(_mm512_reduce_add_epi64(sum));
        }
        total
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn multiply_registers() {
        let values = _mm512_set1_epi32(black_box(0x0102_0304));
        let mut sums = [_mm512_setzero_si512(); REGISTERS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, values, values);
            }
        }
        black_box(sums);
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod reference {
    pub(super) fn read(_: &[u8]) {
        unimplemented_here()
    }

    pub(super) fn multiply() -> f64 {
        unimplemented_here()
    }

    fn unimplemented_here() -> ! {
        panic!("expected an x86 processor, found another: its bounds are not measured yet")
    }
}
