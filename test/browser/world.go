package browser

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// world is the name of the world that the test's own functions run in. It sees
// the page's elements, and none of its scripts see it; no policy of the page
// holds there.
const world = "backref-test"

// try sends a command to the page, within patience.
func try[P, R any](p *Page, command cdp.Command[P, R], params P) (R, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Call(ctx, command, params)
}

// do is try for what has to succeed.
func do[P, R any](p *Page, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	result, err := try(p, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// call runs a function in the test's world, on an object or on the document, and
// waits for what it promises. By value the result is JSON.
func (p *Page) call(object runtime.RemoteObjectID, byValue bool, function string, args ...any) (*runtime.RemoteObject, error) {
	wait := true
	params := runtime.CallFunctionOnParams{
		FunctionDeclaration: function, ObjectID: object, ReturnByValue: &byValue, AwaitPromise: &wait, Silent: &wait,
	}
	for _, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			return nil, err
		}
		params.Arguments = append(params.Arguments, &runtime.CallArgument{Value: text})
	}
	if object == "" {
		// It ends with its document, and is the same one until then.
		made, err := try(p, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: p.frame, WorldName: world})
		if err != nil {
			return nil, err
		}
		params.ExecutionContextID = made.ExecutionContextID
	}
	result, err := try(p, runtime.CallFunctionOn, params)
	if err != nil {
		return nil, err
	}
	if thrown := result.ExceptionDetails; thrown != nil {
		return nil, fmt.Errorf("%s", exception(thrown))
	}
	return result.Result, nil
}

// read is call with a result of a type.
func read[T any](p *Page, object runtime.RemoteObjectID, function string, args ...any) (T, error) {
	var value T
	result, err := p.call(object, true, function, args...)
	if err != nil {
		return value, err
	}
	if len(result.Value) == 0 {
		return value, nil
	}
	return value, json.Unmarshal(result.Value, &value)
}

// ask is read for what has to succeed.
func ask[T any](p *Page, object runtime.RemoteObjectID, function string, args ...any) T {
	p.t.Helper()
	value, err := read[T](p, object, function, args...)
	if err != nil {
		p.t.Fatalf("look at the page: %v", err)
	}
	return value
}

// sync waits until the page has done what it was told to, and all that it said
// meanwhile is in its record: the page answers in the order of what happens.
func (p *Page) sync() {
	p.t.Helper()
	yes := true
	for range 2 {
		_, _ = try(p, runtime.Evaluate, runtime.EvaluateParams{Expression: "0", Silent: &yes})
	}
}

// exception says what was thrown, on one line or more.
func exception(thrown *runtime.ExceptionDetails) string {
	if thrown.Exception != nil && thrown.Exception.Description != "" {
		return thrown.Exception.Description
	}
	return thrown.Text
}
