package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

const mostErrors = 1000

// Result is what one window saw; everything counted was compared with what had to come.
type Result struct {
	Answers  int      `json:"answers"` // of silent streams: how many are open
	Chunks   int      `json:"chunks"`
	Longs    int      `json:"longs"` // answered long prompts, which are in no other figure
	Errors   int      `json:"errors"`
	Samples  []string `json:"error_samples"`
	Redials  int      `json:"redials"`
	ElapsedS float64  `json:"elapsed_s"`
	P50Us    float64  `json:"p50_us"` // of whole answers; of streams to the first event
	P99Us    float64  `json:"p99_us"`
	GapP99Us float64  `json:"gap_p99_us"` // between two events of a stream
	CPUS     float64  `json:"load_cpu_s"`
}

// caller is the load: so many clients that ask again at once, or at a fixed rate.
type caller struct {
	poller    *poller
	port      int
	kind      string
	lax       bool
	header    string
	events    int
	stalled   time.Duration
	again     []byte
	pace      *pace // nil: whoever is answered asks again
	result    Result
	latencies []time.Duration
	gaps      []time.Duration
	counting  bool
}

func load(arguments []string) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	port := flags.Int("port", 0, "of the loopback")
	connections := flags.Int("connections", 32, "at once")
	kind := flags.String("kind", "whole", "whole, stream or silent: one event, then nothing")
	events := flags.Int("events", 200, "of one stream")
	warm := flags.Duration("warm", 300*time.Millisecond, "before the window")
	window := flags.Duration("window", time.Second, "that is measured")
	rate := flags.Float64("rate", 0, "requests a second, whether or not the last is answered; 0: ask when answered")
	longs := flags.Float64("long", 0, "long prompts a second beside the others, on a connection of their own")
	lax := flags.Bool("lax", false, "compare the texts in an answer, not its bytes")
	header := flags.String("header", "", "to send with each request")
	stalled := flags.Duration("stalled", 2*time.Second, "without a byte is an error")
	flags.Parse(arguments)
	if *window > time.Minute || *warm > time.Minute || *connections > 4096 || *events > len(streamBody)/eventBytes {
		fail("at most a minute each, 4,096 connections, %d events", len(streamBody)/eventBytes)
	}
	if *kind == "silent" {
		*events = silentEvents
	}
	here := &caller{poller: newPoller(), port: *port, kind: *kind, lax: *lax, header: *header,
		events: *events, stalled: *stalled}
	here.again = request(*kind, *events, *header)
	if *rate > 0 {
		here.pace = newPace(here, *rate, *longs)
	}
	clients := make([]*client, *connections)
	for number := range clients {
		clients[number] = &client{caller: here, number: number}
		first := *events
		if *kind == "stream" { // shorter ones first, so that not all end at once
			first = 1 + *events*number / *connections
		}
		clients[number].begin(first)
	}
	here.runUntil(time.Now().Add(*warm))
	kept := here.result.Errors
	here.result = Result{Errors: kept, Samples: here.result.Samples, Redials: here.result.Redials}
	here.latencies, here.gaps, here.counting = make([]time.Duration, 0, 1<<20), nil, true
	started, before := time.Now(), cpu()
	fmt.Println("go")
	here.runUntil(started.Add(*window))
	ended := time.Now()
	fmt.Println("stop")
	here.result.ElapsedS = ended.Sub(started).Seconds()
	here.result.CPUS = cpu() - before
	here.report(clients, ended)
}

func (c *caller) runUntil(end time.Time) {
	for c.result.Errors < mostErrors {
		now := time.Now()
		left := end.Sub(now)
		if left <= 0 {
			return
		}
		if c.pace != nil {
			left = min(left, c.pace.ask(now))
		}
		c.poller.wait(left)
	}
}

func (c *caller) report(clients []*client, ended time.Time) {
	if c.pace != nil {
		c.pace.end(ended)
	}
	for _, each := range clients {
		switch {
		case c.kind == "silent" && each.answer.seen == 1:
			c.result.Answers++
		case c.kind == "silent":
			c.wrong("stream %d has heard %d events instead of one", each.number, each.answer.seen)
		case !each.idle && ended.Sub(each.last) > c.stalled:
			c.wrong("connection %d has heard nothing for %v", each.number, ended.Sub(each.last))
		}
	}
	c.result.P50Us, c.result.P99Us = rank(c.latencies, 0.5), rank(c.latencies, 0.99)
	c.result.GapP99Us = rank(c.gaps, 0.99)
	if err := json.NewEncoder(os.Stdout).Encode(c.result); err != nil {
		fail("%v", err)
	}
}

func rank(values []time.Duration, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return float64(values[int(float64(len(values)-1)*share)].Nanoseconds()) / 1000
}

func (c *caller) wrong(text string, values ...any) {
	c.result.Errors++
	if len(c.result.Samples) < 3 {
		c.result.Samples = append(c.result.Samples, fmt.Sprintf(text, values...))
	}
}
