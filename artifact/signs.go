package artifact

import "strings"

// signs are the names at the top of a document by which formats are told apart.
type signs struct {
	Type          string    `json:"_type"`
	BOMFormat     string    `json:"bomFormat"`
	SPDXVersion   string    `json:"spdxVersion"`
	Context       beginning `json:"@context"`
	Graph         beginning `json:"@graph"`
	MediaType     string    `json:"mediaType"`
	PayloadType   string    `json:"payloadType"`
	Payload       string    `json:"payload"`
	Protected     string    `json:"protected"`
	Signature     string    `json:"signature"`
	Material      beginning `json:"verificationMaterial"`
	Runs          beginning `json:"runs"`
	Version       string    `json:"version"`
	Schema        string    `json:"$schema"`
	SchemaVersion int       `json:"SchemaVersion"`
	ArtifactName  *string   `json:"ArtifactName"`
	Results       beginning `json:"Results"`
	Matches       beginning `json:"matches"`
	Artifacts     beginning `json:"artifacts"`
	Descriptor    struct {
		Name string `json:"name"`
	} `json:"descriptor"`
	Critical beginning `json:"critical"`
}

// format is how one is recognised and read.
type format struct {
	matches func(signs) bool
	read    func(r *reader, body []byte, level int)
}

// known returns the formats of JSON, the outermost first: a bundle holds an
// envelope, an envelope a statement.
func known() []format {
	return []format{
		{func(s signs) bool { return strings.HasPrefix(s.MediaType, bundleType) && s.Material != "" }, (*reader).bundle},
		{func(s signs) bool { return s.PayloadType != "" && s.Payload != "" }, (*reader).dsse},
		{func(s signs) bool { return strings.HasPrefix(s.Type, "https://in-toto.io/Statement/") }, (*reader).statement},
		{func(s signs) bool { return strings.EqualFold(s.BOMFormat, "CycloneDX") }, (*reader).cycloneDX},
		{func(s signs) bool { return strings.HasPrefix(s.SPDXVersion, "SPDX-") }, (*reader).spdx},
		{func(s signs) bool { return isArray(s.Graph) && strings.Contains(string(s.Context), "spdx.org/rdf/3") }, (*reader).spdx3},
		{func(s signs) bool { return strings.Contains(string(s.Context), "openvex.dev/ns") }, (*reader).openVEX},
		{func(s signs) bool {
			return isArray(s.Runs) && (s.Version == "2.1.0" || strings.Contains(s.Schema, "sarif"))
		}, (*reader).sarif},
		{func(s signs) bool { return s.SchemaVersion > 0 && s.ArtifactName != nil }, (*reader).trivy},
		{func(s signs) bool { return isArray(s.Matches) && s.Descriptor.Name != "" }, (*reader).grype},
		{func(s signs) bool { return isArray(s.Artifacts) && s.Descriptor.Name == "syft" }, (*reader).syft},
		{func(s signs) bool { return strings.HasPrefix(string(s.Critical), "{") }, (*reader).simpleSigning},
		{func(s signs) bool { return s.Protected != "" && s.Payload != "" && s.Signature != "" }, (*reader).jws},
	}
}

func isArray(b beginning) bool { return strings.HasPrefix(string(b), "[") }

// beginning is how a value begins, as it is written.
type beginning string

// UnmarshalJSON implements [json.Unmarshaler].
func (b *beginning) UnmarshalJSON(raw []byte) error {
	const kept = 512
	*b = beginning(raw[:min(len(raw), kept)])
	return nil
}

// jws recognises a signature of notation (RFC 7515, section 7.2.2).
func (r *reader) jws(_ []byte, level int) { r.is(NotationJWS, "", level) }
