package routes

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// maxName is how far into a list of tags its name is looked for, in bytes. Registries
// begin with it; where it comes later it stays.
const maxName = 64 << 10

// Rename has the answer to a request for a list of tags name its repository by another
// name, where it is the one that it names. Nothing else of it changes. Answers that
// are compressed stay as they are.
func Rename(method string, resp *http.Response, from, to string) {
	if from == to || resp.Header.Get("Content-Encoding") != "" {
		return
	}
	if method == http.MethodHead {
		// How long the list would be is not known.
		delete(resp.Header, "Content-Length")
		resp.ContentLength = -1
		return
	}
	body := resp.Body
	start, err := io.ReadAll(io.LimitReader(body, maxName))
	renamed := rename(start, from, to)
	var rest io.Reader = body
	if err != nil {
		rest = failed{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(renamed), rest), body}
	if resp.ContentLength >= 0 {
		resp.ContentLength += int64(len(renamed) - len(start))
		resp.Header.Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10))
	}
}

// failed is the rest of a body that breaks off.
type failed struct{ err error }

// Read implements [io.Reader].
func (f failed) Read([]byte) (int, error) { return 0, f.err }

// rename replaces the name in a list of tags, or in the beginning of one. All else
// stays, byte by byte.
func rename(list []byte, from, to string) []byte {
	decoder := json.NewDecoder(bytes.NewReader(list))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return list
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return list
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return list
		}
		if key != "name" {
			continue
		}
		var name string
		if json.Unmarshal(value, &name) != nil || name != from {
			return list
		}
		other, err := json.Marshal(to)
		if err != nil {
			return list
		}
		end := int(decoder.InputOffset())
		return bytes.Join([][]byte{list[:end-len(value)], list[end:]}, other)
	}
	return list
}
