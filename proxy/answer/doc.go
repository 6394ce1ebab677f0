// Package answer makes the pages by which backref answers queries itself: the
// door those of referrers, the extension those of its own.
//
// A page is made once, with its ETag and the Link to the page behind it, and is
// a value that may be kept and sent again. The query that a page answers is read
// here too, so that a Link leads to a query that is read as the first one was.
// Who may see a page, how the client reaches backref, and the sending are left
// to the door.
package answer
