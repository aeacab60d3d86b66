package commit

// answerEarly is a mutant: it answers what is about to be stored.
func answerEarly(works []*work) {
	for _, w := range works {
		for i, r := range w.reqs[:len(w.entries)] {
			r.Done(Result{Entry: w.entries[i]})
			r.Done = func(Result) {}
		}
	}
}
