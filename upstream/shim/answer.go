package shim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// maxRefusal is how much of a registry's error is read.
const maxRefusal = 64 << 10

// peek reads the start of a body, which can be read from its start still.
func peek(resp *http.Response, most int64) ([]byte, error) {
	read, err := io.ReadAll(io.LimitReader(resp.Body, most))
	resp.Body = &rest{io.MultiReader(bytes.NewReader(read), &failing{resp.Body, err}), resp.Body}
	return read, err
}

// failing ends what was read of a body with the error that it ended with.
type failing struct {
	body io.Reader
	err  error
}

func (f *failing) Read(b []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.body.Read(b)
}

// rest is a body of which a part was read before.
type rest struct {
	io.Reader
	closer io.Closer
}

func (r *rest) Close() error { return r.closer.Close() }

// codes returns the codes of an error of a registry (distribution-spec, "Error
// Codes"), which is still to be passed on.
func codes(resp *http.Response) []string {
	body, err := peek(resp, maxRefusal)
	if err != nil {
		return nil
	}
	var said struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &said) != nil {
		return nil
	}
	var all []string
	for _, e := range said.Errors {
		all = append(all, e.Code)
	}
	return all
}
