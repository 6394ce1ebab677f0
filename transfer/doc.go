// Package transfer copies manifests, what they hold and what refers to them,
// between registries, image layouts in a folder and image layouts in an archive.
//
// A copy is planned first: every manifest is read and verified from the top
// down, referrers of referrers included. What the target has of it is found out with
// as few questions as will do. Then blobs move, many at once, then
// manifests from the bottom up, so that at any instant the target holds nothing
// that lacks its parts. What is there already is left alone, so a copy that was
// stopped goes on where it was by running it again. Last come the places where
// referrers are found: a registry without the referrers API gets referrers
// tags, a layout gets them in its index.json.
//
// A copy of the tags of a repository ([CopyTags]) is such a copy of each image, a
// few at a time: what images share is brought once, and a tag is given when the
// referrers of its image can be found.
//
// The package guarantees that what it wrote is byte for byte what was read, and
// that it says so only when every referrer can be found in the target. It asks
// no user and prints nothing: [Watcher] and [TagsWatcher] are told what happens.
package transfer
