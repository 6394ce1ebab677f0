package oci

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Error codes of the distribution specification ("Error Codes"), and the
// registry protocol's two for what the specification has no code for: UNAVAILABLE
// and UNKNOWN.
const (
	CodeNameInvalid       = "NAME_INVALID"
	CodeNameUnknown       = "NAME_UNKNOWN"
	CodeManifestUnknown   = "MANIFEST_UNKNOWN"
	CodeDigestInvalid     = "DIGEST_INVALID"
	CodeBlobUploadUnknown = "BLOB_UPLOAD_UNKNOWN"
	CodeManifestInvalid   = "MANIFEST_INVALID"
	CodeSizeInvalid       = "SIZE_INVALID"
	CodeTagInvalid        = "TAG_INVALID"
	CodeUnauthorized      = "UNAUTHORIZED"
	CodeDenied            = "DENIED"
	CodeTooManyRequests   = "TOOMANYREQUESTS"
	CodeUnsupported       = "UNSUPPORTED"
	CodeUnavailable       = "UNAVAILABLE"
	CodeUnknown           = "UNKNOWN"
)

// RetryAfter is what clients are told to wait for something that passes.
const RetryAfter = 5 * time.Second

// Error is an answer to a client that is not a success. It is an [error], so
// that whoever finds out what is wrong says so, and whoever talks to the client
// writes it.
type Error struct {
	// Status is that of HTTP.
	Status int
	// Code is one of the specification's ("Error Codes").
	Code string
	// Message tells the client what to do.
	Message string
	// Header is sent with it; nil for none.
	Header http.Header
	// Cause is for the operator's log alone; nil where there is none.
	Cause error
	// Limit is the configuration key of the limit that was reached, if that is
	// the reason.
	Limit string
	// Rule is the name of the policy's rule that denied the request, if one did.
	Rule string
}

// Error implements [error].
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error {
	return e.Cause
}

// Write answers a request with the error: its status, its header, and the JSON
// that the specification defines ("Error Codes"). Nothing may have been written
// of the answer before but header fields, which stay.
func (e *Error) Write(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range e.Header {
		header[name] = values
	}
	body := ErrorBody(e.Code, e.Message)
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// Unavailable is the answer when something that has to be asked fails. Clients
// are told to try again after [RetryAfter].
func Unavailable(status int, message string, cause error) *Error {
	return &Error{
		Status: status, Code: CodeUnavailable, Message: message, Cause: cause,
		Header: http.Header{"Retry-After": {strconv.Itoa(int(RetryAfter / time.Second))}},
	}
}

// BadRequest is the answer to what the client has to mend.
func BadRequest(code, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: message}
}

// NotFound is the answer where the registry does not have, to the client, what
// was asked about.
func NotFound(code, message string, cause error) *Error {
	return &Error{Status: http.StatusNotFound, Code: code, Message: message, Cause: cause}
}

// ErrorBody returns the JSON of an answer with one error ("Error Codes").
func ErrorBody(code, message string) []byte {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		Errors []item `json:"errors"`
	}{[]item{{code, message}}})
	if err != nil {
		return []byte(`{"errors":[{"code":"UNKNOWN","message":""}]}`)
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n"))
}
