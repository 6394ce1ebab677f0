// Package ui is the web page: what a registry holds about an image, for people.
//
// The package is a client of the door. Each page asks the same handler that
// registry clients ask, within the process and as whoever looks, so that no page
// can show more than an answer of the API would. Pages are rendered on the server
// (html/template) and need no script; every page has a URL of its own, and says the
// same as JSON with format=json.
//
// The package guarantees that what registries hold is shown as text: nothing of it
// is ever rendered as HTML, style, script or link, and the policy sent with each page
// forbids a browser to run or load anything that is not of this package. Who a viewer
// is comes in as [Viewers]; that a page is only for operators, whoever mounts it
// says.
package ui
