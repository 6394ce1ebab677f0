package ext

import (
	"net/url"

	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/answer"
)

// legacy tells whether a query wants legacy referrers: those that no subject
// makes referrers, but a tag of cosign 2.
func (e *Extension) legacy(values url.Values) (bool, error) {
	text, err := answer.Once(values, index.ParamLegacy)
	if err != nil {
		return false, err
	}
	switch text {
	case "":
		return e.options.Legacy, nil
	case "true", "false":
		return text == "true", nil
	default:
		return false, &index.QueryError{Param: index.ParamLegacy, Reason: "need true or false"}
	}
}
