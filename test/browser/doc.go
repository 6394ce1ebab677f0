// Package browser drives real pages in headless Chromium for tests: what a person
// sees, reads, clicks and reaches by keyboard, and what a page does behind their
// back.
//
//	b := browser.New(t)
//	page := b.Page(t, browser.Options{Width: 360, Dark: true})
//	page.Open(server.URL + "/ui/")
//	page.Fill("User", "alice")
//	page.Click("Sign in")
//	page.MustBeAccessible()
//	page.MustFit()
//	page.MustBeQuiet()
//	page.Screenshot("signed-in")
//
// One [Browser] is one Chromium, which takes a second or two to start and some
// hundred MB: a test makes one and shares it with its subtests, which may run in
// parallel. Each [Page] is a user of its own, with cookies, cache and storage of
// its own; [Page.Beside] is another page of the same user. The browser is ended
// by process id, with all that it started, when the test that made it is over.
//
// What a target means: [Page.Click], [Page.Fill], [Page.Attribute] and
// [Page.Wait] take a CSS selector where the target begins with '#', '.', '[' or
// "css=", and the accessible name, as assistive technology would read it, of
// something that can be operated in all other cases, or after "name=". Exactly
// one element has to match.
//
// What is guaranteed: nothing but addresses of the own machine is reached, neither
// by the pages nor by Chromium itself, and no name is looked up. What a page asks
// of elsewhere is refused and is an [Event]. The package looks at pages from
// worlds of its own and through the DevTools protocol, so that a Content Security
// Policy stays in force as the server sent it and scripts of the page see nothing
// of the test.
//
// What is left to others: which pages there are, and what they have to say.
//
// Chromium and axe-core are installed by test/tools; a test that can't have one
// fails and says how to get it.
package browser
