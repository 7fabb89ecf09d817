#!/bin/bash -eu
# Licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0
#
# Builds every target with debug assertions and puts it into $OUT, with its seeds, the dictionary and
# its options. OSS-Fuzz runs it and has set SRC, OUT, SANITIZER and the compilers' flags.
cd "$SRC/urpc"

options=(-O --debug-assertions)
# Of itself cargo-fuzz asks for AddressSanitizer, which only nightly Rust has.
[[ $SANITIZER != none ]] || options+=(--sanitizer none)
cargo fuzz build "${options[@]}"
built=fuzz/target/$(rustc -vV | sed -n 's/^host: //p')/release

targets=$(cargo fuzz list)
[[ -n $targets ]]
for target in $targets; do
    cp "$built/$target" "$OUT/"
    # Nothing is matched, and nothing zipped, where there are no seeds: zip fails.
    zip -q -j "$OUT/${target}_seed_corpus.zip" "fuzz/seeds/$target"/*
    cp fuzz/urpc.dict "$OUT/$target.dict"
    cp fuzz/oss-fuzz/target.options "$OUT/$target.options"
done

# A target that Cargo.toml does not name would otherwise be left out without a word.
for source in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    [[ -x $OUT/$target ]] || { echo "$source is no target of fuzz/Cargo.toml" >&2; exit 1; }
done
