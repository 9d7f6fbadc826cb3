//! placeholder
use clap::Parser;
#[derive(Parser)]
enum Cli {
    Train(host_trainer::cli::train::TrainArgs),
}
fn main() -> anyhow::Result<()> {
    match Cli::parse() {
        Cli::Train(a) => host_trainer::cli::train::run(a),
    }
}
