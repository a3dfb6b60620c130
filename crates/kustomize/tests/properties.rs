//! No tree makes the build panic, and the same tree gives the same bytes.

use kustomize::fuzzing;
use proptest::prelude::*;

const PIECES: [&str; 24] = [
    "resources: [a.yaml, b.yaml]\n",
    "namePrefix: p-\n",
    "nameSuffix: 's'\n",
    "namespace: x\n",
    "commonLabels: {a: b}\n",
    "patches:\n- path: c.yaml\n",
    "patches:\n- path: c.yaml\n  target: {kind: '.*'}\n",
    "images: [{name: 'a', newTag: b}]\n",
    "replacements:\n- source: {kind: Pod}\n  targets: [{select: {kind: A}, fieldPaths: [a.b.0]}]\n",
    "configMapGenerator: [{name: a, files: [a.yaml], literals: [a=b]}]\n",
    "apiVersion: v1\n",
    "kind: Pod\n",
    "kind: List\n",
    "metadata: {name: a}\n",
    "metadata: {name: a, annotations: null}\n",
    "items: [{kind: A, metadata: {name: b}}]\n",
    "spec: {containers: [{name: a, image: a}]}\n",
    "spec: {containers: [{$patch: delete, name: a}, {}]}\n",
    "spec: {containers: null}\n",
    "$patch: replace\n",
    "- {op: add, path: /spec/x/-, value: 1}\n",
    "- {op: copy, from: '', path: /spec}\n",
    "---\n",
    "\0",
];

proptest! {
    #[test]
    fn no_bytes_make_the_build_panic(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..24),
        noise in prop::collection::vec(any::<u8>(), 0..12),
        at in any::<prop::sample::Index>(),
    ) {
        let mut bytes = pieces.concat().into_bytes();
        fuzzing::build(&bytes);
        let at = at.index(bytes.len() + 1);
        bytes.splice(at..at, noise);
        fuzzing::build(&bytes);
    }
}
