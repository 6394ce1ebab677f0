package registry

import (
	"context"
	"testing"
)

// What is held when a room is resized is given back to the room that it was taken
// of: the new one has its whole size.
func TestRoomIsResizedWhileItIsHeld(t *testing.T) {
	r := newRoom(10)
	giveBack, err := r.take(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, taken := r.takeSpare(1); taken {
		t.Error("there is more than the size")
	}
	r.resize(5)
	again, taken := r.takeSpare(5)
	if !taken {
		t.Error("the new room isn't empty")
	}
	giveBack()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.take(ctx, 1); err == nil {
		t.Error("what the old room was given back is in the new one")
	}
	again()
	r.resize(5)
	if _, taken := r.takeSpare(6); taken {
		t.Error("there is more than the new size")
	}
}
