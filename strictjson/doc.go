// Package strictjson makes sure that a JSON text says one thing only. Readers
// differ in what they make of a name that is given twice, of one in another
// case, of bytes that are no UTF-8, and of what follows the text; backref and
// a registry must not read the same manifest differently.
//
// It guarantees that a text that [Check] accepts is one complete JSON text in
// UTF-8, within the bounds given, in which no name that its reader interprets
// is given twice or in another spelling. Names that nobody here interprets may
// be given as often as they like. To decode the text, and what it means, is
// left to its callers.
package strictjson
