//! How long an embedding takes: our int8 engine beside the other engines that run the same
//! network.
//!
//! ```sh
//! cargo bench -p tests --bench inference -- [--json] [--tower NAME]
//!     [--engine NAME] [--batch N] [--layers]
//! ```
//!
//! With `--layers` each convolution of the towers by itself, beside ONNX Runtime's kernels.
//!
//! All peers run in this process, in one thread, in turns: a turn of each is a millisecond or
//! more of embeddings, and a ratio is the median over turns of the times of two peers next
//! to each other, so that a busy machine slows both. Times are those that the thread spent
//! on a processor. Weights were never trained; times do not depend on them. Peers that
//! compute in int8 as we do must give our bytes before they are timed.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

mod layers;
mod peers;
mod towers;

use std::time::Duration;

use peers::Peer;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use shared::artifact::Artifact;

/// Pairs that a ratio is the median of.
const TURNS: usize = 60;

/// What a turn lasts at least.
const TURN: Duration = Duration::from_micros(1500);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let batch = option("--batch").map_or(1, |text| text.parse().unwrap());
    let wanted = option("--tower");
    let engine = option("--engine");
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let is_json = has("--json");
    let mut results = vec![];
    for (name, tower) in towers::all() {
        if wanted
            .as_ref()
            .is_some_and(|wanted| !name.contains(wanted.as_str()))
        {
            continue;
        }
        let peers::Network {
            artifact,
            embedding: mut peers,
            mut loading,
        } = peers::all(&tower, batch);
        if has("--layers") {
            let layers = by_layer(name, &artifact, is_json);
            results.push(json!({ "tower": name, "layers": layers }));
            continue;
        }
        let macs = artifact.plan().macs();
        if let Some(engine) = &engine {
            let mut place = 0..;
            peers.retain(|peer| place.next() == Some(0) || peer.name.contains(engine.as_str()));
        }
        let seconds = measure(&mut peers);
        let title = format!(
            "{name}, {:.2} million multiply-accumulates",
            macs as f64 / 1e6
        );
        let work = macs as f64 * batch as f64;
        let embedding = report(&title, Some(work), &peers, &seconds, is_json);
        let seconds = measure(&mut loading);
        let loading = report(name, None, &loading, &seconds, is_json);
        results.push(json!({
            "tower": name,
            "macs": macs,
            "batch": batch,
            "embedding": embedding,
            "loading": loading,
        }));
    }
    if is_json {
        println!(
            "{}",
            json!({ "turns": TURNS, "threads": 1, "towers": results })
        );
    }
}

/// Each convolution by itself: our time by ONNX Runtime's, the latter without what it takes
/// for any graph.
fn by_layer(tower: &str, artifact: &Artifact<'static>, is_json: bool) -> Vec<serde_json::Value> {
    let mut rows = vec![];
    if !is_json {
        println!("\n{tower}");
        println!(
            "{:<48}{:>10}{:>10}{:>16}",
            "", "us", "GMAC/s", "ours : theirs"
        );
    }
    for layers::Layer {
        name,
        macs,
        is_dense,
        peers: [ours, theirs],
    } in layers::all(artifact)
    {
        let seconds = measure(&mut [ours, theirs, layers::least()]);
        let [ours, theirs, least] = [0, 1, 2].map(|peer: usize| &seconds[peer]);
        let ratios = ours.iter().zip(theirs.iter().zip(least));
        let ratio = median(
            ratios
                .map(|(ours, (theirs, least))| ours / (theirs - least))
                .collect(),
        );
        let time = median(ours.clone());
        let rate = macs as f64 / time / 1e9;
        if !is_json {
            println!("{name:<48}{:>10.1}{rate:>10.1}{ratio:>16.3}", time * 1e6);
        }
        rows.push(json!({
            "layer": name,
            "dense": is_dense,
            "macs": macs,
            "median_us": time * 1e6,
            "gmacs_per_second": rate,
            "ours_by_onnxruntime": ratio,
        }));
    }
    rows
}

/// Seconds for one batch, of each peer in each turn.
fn measure(peers: &mut [Peer]) -> Vec<Vec<f64>> {
    let repeats: Vec<u32> = peers.iter_mut().map(repeats).collect();
    let mut seconds = vec![vec![]; peers.len()];
    for _ in 0..TURNS {
        for (place, peer) in peers.iter_mut().enumerate() {
            // What the peer before left in caches is not timed.
            (peer.run)();
            let start = processor_time();
            for _ in 0..repeats[place] {
                (peer.run)();
            }
            let elapsed = processor_time() - start;
            seconds[place].push(elapsed.as_secs_f64() / f64::from(repeats[place]));
        }
    }
    seconds
}

/// How often a peer runs in a turn; it is warm then.
fn repeats(peer: &mut Peer) -> u32 {
    let mut repeats = 0;
    let start = processor_time();
    while repeats < 3 || processor_time() - start < TURN {
        (peer.run)();
        repeats += 1;
    }
    repeats
}

/// Time that this thread was on a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Prints a table of peers, unless they go into JSON; `work` are the multiply-accumulates of
/// one turn.
fn report(
    title: &str,
    work: Option<f64>,
    peers: &[Peer],
    seconds: &[Vec<f64>],
    is_json: bool,
) -> serde_json::Value {
    let mut rows = vec![];
    if !is_json {
        println!("\n{title}");
        println!(
            "{:<34}{:>12}{:>12}{:>16}",
            "", "us", "GMAC/s", "ours : this"
        );
    }
    for (peer, times) in peers.iter().zip(seconds) {
        let time = median(times.clone());
        let ratios = seconds[0].iter().zip(times).map(|(ours, peer)| ours / peer);
        let ratio = median(ratios.collect());
        let rate = work.map(|work| work / time / 1e9);
        if !is_json {
            let rate = rate.map_or(String::new(), |rate| format!("{rate:.1}"));
            println!(
                "{:<34}{:>12.1}{rate:>12}{ratio:>16.3}",
                peer.name,
                time * 1e6
            );
        }
        rows.push(json!({
            "engine": peer.name,
            "median_us": time * 1e6,
            "gmacs_per_second": rate,
            "ours_by_this": ratio,
        }));
    }
    rows.into()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
