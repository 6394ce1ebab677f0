package split

// byDigest tells whether the request names a digest.
func (q *question) byDigest() bool {
	_, is := q.Digest()
	return is
}

func manifestPath(repository, reference string) string {
	return "/v2/" + repository + "/manifests/" + reference
}
