#!/bin/bash -eu
# Builds every target with debug assertions and puts it into $OUT, with its seeds, the dictionary and
# its options. Run by OSS-Fuzz, which sets SRC, OUT and the compiler's flags.
cd "$SRC/urpc"
cargo fuzz build -O --debug-assertions

count=0
for source in fuzz/fuzz_targets/*.rs; do
    name=$(basename "$source" .rs)
    cp "fuzz/target/x86_64-unknown-linux-gnu/release/$name" "$OUT/"
    [[ -n $(ls "fuzz/seeds/$name") ]]
    zip -q -j "$OUT/${name}_seed_corpus.zip" "fuzz/seeds/$name"/*
    cp fuzz/urpc.dict "$OUT/$name.dict"
    printf '[libfuzzer]\nmax_len = 4096\ntimeout = 20\n' >"$OUT/$name.options"
    count=$((count + 1))
done
[[ $count = "$(grep -c '^\[\[bin\]\]' fuzz/Cargo.toml)" ]]
