#!/usr/bin/env bash
# Fetch the JavaScript that draws a report's charts from npm: pinned versions, checked against pinned checksums.
# What it writes is in the repository; run it to change a version, or to see that nothing was changed by hand.
set -euo pipefail
cd "$(dirname "$0")/../pdtrain/report/charting"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fetch() { # package@version, name of its licence here, files in it
  (cd "$folder" && tar xzf "$(npm pack --silent "$1")")
  cp "$folder/package/LICENSE" "$2.LICENSE"
  for file in "${@:3}"; do cp "$folder/package/$file" .; done
  rm -rf "$folder/package"
}

fetch d3@7.9.2 d3 dist/d3.min.js
fetch @observablehq/plot@0.6.17 plot dist/plot.umd.min.js
# what is within Plot
fetch interval-tree-1d@1.0.4 interval-tree-1d
fetch binary-search-bounds@2.0.5 binary-search-bounds
fetch isoformat@0.2.1 isoformat
sha256sum --check SHA256SUMS
