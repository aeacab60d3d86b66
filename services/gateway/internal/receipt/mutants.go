package receipt

import "github.com/parley-chat/parley/pkg/store"

// unstored is a mutant: the positions of moves that are about to be stored.
func unstored(moves []store.Move) []Position {
	list := make([]Position, len(moves))
	for i, m := range moves {
		list[i] = Position{Key: m.Key, User: m.User, Delivered: max(m.Recv, m.Read), Read: m.Read}
	}
	return list
}
