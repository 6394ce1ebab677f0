package wrap

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// BenchmarkObserve is what the line in the log, and the count, cost a request.
func BenchmarkObserve(b *testing.B) {
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(encoding), &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(io.Discard)}, zap.InfoLevel))
	observe := Observe(ObserveOptions{Access: log, Log: log, Metrics: NewMetrics(nil), Now: time.Now})
	handler := Identify(IdentifyOptions{Open: func(*http.Request) *Entry { return &Entry{Door: place{}} }})(observe(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })))
	r := httptest.NewRequest(http.MethodGet, "/v2/team/app/referrers/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", nil)
	r.Header.Set("User-Agent", "oras/1.3.0 (linux; amd64)")
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(discard{}, r)
	}
}

// place is what a door says of a listing.
type place struct{}

func (place) Endpoint() string { return "referrers" }

func (place) Route() string { return "/v2/{name}/referrers/{digest}" }

func (place) User(*http.Request) (string, bool) { return "", false }

func (place) Describe(_ *http.Request, to zapcore.ObjectEncoder) {
	to.AddString("repository", "team/app")
	to.AddString("digest", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
}
