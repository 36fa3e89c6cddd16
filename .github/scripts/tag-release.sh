#!/bin/sh
# Tags the version in Cargo.toml for a release: `tag-release.sh`, on a commit whose tests have
# passed. Then push the tag.
#
# The tag gets a commit of its own, on top of the current one and on no branch, whose composer.json
# tells PIE to take the binaries of the release ("download-url-method"). On branches that line is
# missing: Composer before 2.9.5 refuses it, and with it every `composer` command in a clone. PIE
# needs it only in what is released.

set -eu

fail() {
    printf 'tag-release: %s\n' "$@" >&2
    exit 1
}

cd "$(git rev-parse --show-toplevel)"
git diff --quiet HEAD || fail "there are changes that are not committed."
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$version" ] || fail "Cargo.toml names no version."
tag=v$version
! git rev-parse -q --verify "refs/tags/$tag" >/dev/null || fail "the tag $tag exists already."

index=$(git rev-parse --absolute-git-dir)/index.release
GIT_INDEX_FILE=$index
export GIT_INDEX_FILE
trap 'rm -f "$index"' EXIT
git read-tree HEAD
composer=$(awk '{ print } /"build-path":/ {
    print "        \"download-url-method\": [\"pre-packaged-binary\", \"composer-default\"],"
}' composer.json | git hash-object -w --stdin)
git update-index --cacheinfo "100644,$composer,composer.json"
commit=$(git commit-tree "$(git write-tree)" -p HEAD -m "Let PIE take the binaries of $version")
git tag -a "$tag" -m "$version" "$commit"
echo "$tag is ready: git push origin $tag"
