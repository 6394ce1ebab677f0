package split

// byDigest tells whether the request names a digest.
func (q *question) byDigest() bool {
	_, is := q.Digest()
	return is
}

func manifestPath(repository, reference string) string {
	return "/v2/" + repository + "/manifests/" + reference
}

// paramNamespace is the parameter by which a client of a mirror names the registry
// that it means.
const paramNamespace = "ns"
