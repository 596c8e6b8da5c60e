#!/bin/sh
# Fetches the vendored Chart.js: `dashboard/vendor.sh 4.6.1`. It takes the place of the older copy that django-unfold
# brings along, so that every page loads one and the same. Needs npm.
set -eu
version=$1
target=$(cd "$(dirname "$0")" && pwd)/static/unfold/js/chart
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "chart.js@$version" >/dev/null
tar xf "chart.js-$version.tgz"
# The source map is left out, so the reference to it has to go too.
sed '/^\/\/# sourceMappingURL=/d' package/dist/chart.umd.min.js >"$target/chart.js"
cp package/LICENSE.md "$target/LICENSE"
printf 'Chart.js %s, MIT licence (see LICENSE). Fetched by dashboard/vendor.sh.\n' "$version" >"$target/README.md"
