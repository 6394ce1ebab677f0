package index

import "strings"

// Operator says how a filter compares an annotation with its value.
type Operator string

// The operators. The zero one asks only whether the annotation is there.
const (
	OpExists       Operator = ""
	OpEqual        Operator = "="
	OpNotEqual     Operator = "!="
	OpLess         Operator = "<"
	OpLessEqual    Operator = "<="
	OpGreater      Operator = ">"
	OpGreaterEqual Operator = ">="
)

// orders reports whether the operator asks which of two values is greater.
func (op Operator) orders() bool {
	return op != "" && (op[0] == '<' || op[0] == '>')
}

// AnnotationFilter selects entries by one annotation. An entry that has not
// got the annotation is never selected.
//
// Equal and NotEqual compare the text. The others compare by the kind of the
// filter's value, which is the first of these that it is:
//
//	a time of RFC 3339      2026-01-31T12:00:00Z
//	a decimal number        -3, 1.25
//	a semantic version      1.2.3-rc.1, v1.10
//
// An annotation that is not of that kind is not selected. 1.10 is a number, and
// less than 1.9; v1.10 is a version.
type AnnotationFilter struct {
	key, value string
	op         Operator
	operand    operand
}

// NewAnnotationFilter returns a filter. The error is a [*QueryError].
func NewAnnotationFilter(key string, op Operator, value string) (AnnotationFilter, error) {
	f := AnnotationFilter{key: key, op: op, value: value}
	if key == "" {
		return f, &QueryError{ParamAnnotation, "need the key of an annotation in front"}
	}
	if op.orders() {
		var ok bool
		if f.operand, ok = parseOperand(value); !ok {
			return f, &QueryError{ParamAnnotation,
				"need a time of RFC 3339, a decimal number or a semantic version behind " + string(op)}
		}
	}
	return f, nil
}

// ParseAnnotationFilter reads <key>[<op><value>]. The key ends at the first of
// =, !=, < and >. A backslash takes the next character into the key whatever
// it is; the value is taken as it stands. The error is a [*QueryError].
func ParseAnnotationFilter(text string) (AnnotationFilter, error) {
	var key strings.Builder
	for i := 0; i < len(text); i++ {
		if op := operatorAt(text[i:]); op != OpExists {
			return NewAnnotationFilter(key.String(), op, text[i+len(op):])
		}
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		key.WriteByte(text[i])
	}
	return NewAnnotationFilter(key.String(), OpExists, "")
}

func operatorAt(text string) Operator {
	for _, op := range []Operator{OpNotEqual, OpGreaterEqual, OpLessEqual, OpEqual, OpGreater, OpLess} {
		if strings.HasPrefix(text, string(op)) {
			return op
		}
	}
	return OpExists
}

// Key returns the key of the annotation.
func (f AnnotationFilter) Key() string { return f.key }

// Operator returns how the filter compares.
func (f AnnotationFilter) Operator() Operator { return f.op }

// Value returns what the filter compares with.
func (f AnnotationFilter) Value() string { return f.value }

// String returns the filter as [ParseAnnotationFilter] reads it.
func (f AnnotationFilter) String() string {
	escaped := strings.NewReplacer(`\`, `\\`, "=", `\=`, "!", `\!`, "<", `\<`, ">", `\>`).Replace(f.key)
	return escaped + string(f.op) + f.value
}

// Matches reports whether the filter selects an entry with the annotations.
func (f AnnotationFilter) Matches(annotations map[string]string) bool {
	value, given := annotations[f.key]
	return given && f.MatchesValue(value)
}

// MatchesValue reports whether the filter selects an entry whose annotation
// has the value.
func (f AnnotationFilter) MatchesValue(value string) bool {
	switch f.op {
	case OpExists:
		return true
	case OpEqual:
		return value == f.value
	case OpNotEqual:
		return value != f.value
	default:
		return f.ordered(value)
	}
}

func (f AnnotationFilter) ordered(value string) bool {
	key, ok := f.operand.kind.key(value)
	if !ok {
		return false
	}
	switch c := strings.Compare(key, f.operand.key); f.op {
	case OpLess:
		return c < 0
	case OpLessEqual:
		return c <= 0
	case OpGreater:
		return c > 0
	default:
		return c >= 0
	}
}
