"""The chat on a terminal, with prompt_toolkit. Nothing here is loaded where there is no terminal.

terminal      a chat from the first line to the farewell.
rich_talk     a gchat server on the screen: what is entered, shown, pending, in the toolbar, offered by Tab.
plain_talk    any server of lines on the screen; talk: what both have in common, and the state of the connection.
board         the rooms on the screen: what is printed, what is kept, what is half typed.
outbox        what the user has asked and not been answered.
own_actions   what the commands of the screen do.
logins        what the user does about an account, and whether its secret is kept.
answer_field  the field for secrets and for questions about them, in place of the draft.
screen        the input line at the bottom and the conversation above it; the keys and what they do.
arrangement   where what is below the conversation stands, and what a chat provides of it.
field         the draft that is being typed, with its history and the menu of completions.
editor        the user's own editor for the draft.
keyboard      the descriptor on which a terminal sends keys; key_parser: keys and pastes out of what it sends.
window        what the terminal shows beside its screen: a title, notifications.
canvas        an output that draws characters of doubtful width.
drawing       an application that stays whole when the window is resized.
toolbar       what stands in the lowest row. Pure.
layout        how wide text is, and where it breaks into rows. Pure.
job_control   Ctrl+Z, fg and bg.
history_file  what was typed, for the next time.
"""
