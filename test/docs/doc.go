// Package docs holds the documents against what they speak of: links lead
// somewhere, commands and tests that are named exist, and the page for beginners
// is run as it is printed.
package docs
