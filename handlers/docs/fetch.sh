#!/bin/sh
# Puts the viewer of /docs, Swagger UI, into viewer/ as its maker packed it. To move on to another version,
# change both lines below, and run it again with the sum that it then asks for.
set -eu
version=5.35.0
sum=1b8e891893404ea4c3558b6a87e2a3e494e7eedba41168c2ece5800a391a6ea6

cd "$(dirname "$0")"
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
archive=$dir/$(npm pack --silent --pack-destination "$dir" "swagger-ui-dist@$version")
echo "$sum  $archive" | sha256sum --check --quiet || { sha256sum "$archive"; exit 1; }
tar -xzf "$archive" -C "$dir"
rm -rf viewer
mkdir viewer
for file in LICENSE NOTICE swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt \
	swagger-ui-standalone-preset.js swagger-ui-standalone-preset.js.LICENSE.txt; do
	cp "$dir/package/$file" viewer/
done
# The map that the last line names is not here.
sed '/^\/\*# sourceMappingURL=.*\*\/$/d' "$dir/package/swagger-ui.css" >viewer/swagger-ui.css
echo "swagger-ui-dist $version, sha256 of its archive $sum" >viewer/VERSION
