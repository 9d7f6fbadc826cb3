//! Finding a structure in medical pictures after a few pictures in which somebody marked it.

pub mod dataset;
