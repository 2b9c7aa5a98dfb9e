"""Prompts written for these tests, with the task a reader would expect.

They say what people send, in other words than the public data sets; a detector that fits only the
sets' style fails here.
"""

from pointsman.analysis import Task

_NEWS = (
    "The city council voted on Tuesday to close the old bridge for eighteen months while its "
    "bearings are replaced. Residents on the east bank had asked for a temporary crossing, but the "
    "council said that the river is too wide at that point and the money is not there. Shops near "
    "the bridge expect to lose a third of their customers. The mayor promised a free shuttle bus "
    "every ten minutes between six in the morning and midnight. Work begins in March, after the "
    "spring floods, and a first lane should open again before the end of the following year. "
)

OWN_PROMPTS: tuple[tuple[Task, str], ...] = (
    (Task.CHAT, "hi there!"),
    (Task.CHAT, "How do I change the delivery address of my order?"),
    (Task.CHAT, "My parcel has not arrived yet. Can you check where it is?"),
    (Task.CHAT, "What is the capital of Australia?"),
    (Task.CHAT, "who painted the girl with a pearl earring"),
    (Task.CHAT, "Thanks, that was all I needed."),
    (Task.CHAT, "Recommend three places for a weekend trip near Lisbon."),
    (Task.CHAT, "I was charged twice for the same subscription, please refund one of them."),
    (Task.CHAT, "Write a short birthday message for my grandmother."),
    (Task.CHAT, "What's the weather like in Oslo in May?"),
    (Task.CHAT, "is your shop open on sundays"),
    (Task.CHAT, "Why do cats purr?"),
    (Task.CODING, "Write a Python function that merges two sorted lists."),
    (Task.CODING, "Why does this crash?\n```c\nint *p = NULL; *p = 3;\n```"),
    (
        Task.CODING,
        'Traceback (most recent call last):\n  File "app.py", line 3, in <module>\nKeyError: "id"',
    ),
    (Task.CODING, "Give me a regex that matches ISO dates."),
    (Task.CODING, "SELECT name FROM users WHERE id = 3 returns nothing, why?"),
    (Task.CODING, "Refactor this class so that the parser no longer depends on the database."),
    (Task.CODING, "How do I undo my last git commit without losing the changes?"),
    (Task.CODING, "Implement binary search in Rust."),
    (Task.CODING, "My docker container exits with code 137, what does that mean?"),
    (Task.CODING, "What is the difference between let and const in JavaScript?"),
    (Task.CODING, "function add(a, b) {\n  return a + b\n}\nadd types to this"),
    (Task.CODING, "Write a SQL query for the ten best customers of each month."),
    (Task.REASONING, "A train leaves at 9:40 and arrives at 13:05. How long does the trip take?"),
    (Task.REASONING, "Prove that the square root of 2 is irrational."),
    (Task.REASONING, "Solve 3x + 7 = 22."),
    (Task.REASONING, "Let $f(x) = x^2 - 4x$. For which $x$ is $f$ smallest?"),
    (
        Task.REASONING,
        (
            "Anna has twice as many marbles as Ben. Together they have 36. "
            "How many marbles does Anna have?"
        ),
    ),
    (Task.REASONING, "What is the probability of rolling two sixes with three dice?"),
    (
        Task.REASONING,
        (
            "Four houses stand in a row, each in a different color. Use the clues to deduce "
            "who owns the fish. Clue 1: the teacher lives left of the red house."
        ),
    ),
    (
        Task.REASONING,
        (
            "Which gas is released when zinc reacts with hydrochloric acid?\n"
            "A) oxygen\nB) hydrogen\nC) chlorine\nD) nitrogen"
        ),
    ),
    (Task.REASONING, "Find the derivative of sin(x) * e^x."),
    (
        Task.REASONING,
        "A photon of wavelength 500 nm hits an electron at rest. Estimate the energy it transfers.",
    ),
    (
        Task.REASONING,
        (
            "If all bloops are razzies and all razzies are lazzies, does it logically follow that "
            "all bloops are lazzies? Explain your reasoning."
        ),
    ),
    (Task.REASONING, "What is the area of a triangle with sides 5, 12 and 13?"),
    (Task.MULTILINGUAL, "Wie kann ich mein Passwort zurücksetzen?"),
    (Task.MULTILINGUAL, "Où se trouve la gare la plus proche, s'il vous plaît ?"),
    (Task.MULTILINGUAL, "¿Cuántos días de vacaciones me quedan este año?"),
    (Task.MULTILINGUAL, "Scrivi una breve lettera di ringraziamento per il mio collega."),
    (Task.MULTILINGUAL, "Quanto custa enviar uma encomenda para o Brasil?"),
    (Task.MULTILINGUAL, "Hoeveel kost het om een pakket naar België te sturen?"),
    (Task.MULTILINGUAL, "Jak mogę zmienić hasło do mojego konta?"),
    (Task.MULTILINGUAL, "Hur många dagar har jag på mig att lämna tillbaka varan?"),
    (Task.MULTILINGUAL, "Siparişim ne zaman gelecek, lütfen kontrol eder misiniz?"),
    (Task.MULTILINGUAL, "Làm thế nào để đổi mật khẩu của tôi?"),
    (Task.MULTILINGUAL, "Bagaimana cara mengganti kata sandi saya?"),
    (Task.MULTILINGUAL, "Cum îmi pot schimba parola contului?"),
    (Task.MULTILINGUAL, "Jak si mohu změnit heslo ke svému účtu?"),
    (Task.MULTILINGUAL, "Как изменить пароль от моей учётной записи?"),
    (Task.MULTILINGUAL, "Як змінити пароль до мого облікового запису?"),
    (Task.MULTILINGUAL, "我的订单什么时候能到？"),
    (Task.MULTILINGUAL, "パスワードを変更するにはどうすればいいですか？"),
    (Task.MULTILINGUAL, "비밀번호를 어떻게 변경하나요?"),
    (Task.MULTILINGUAL, "كيف يمكنني تغيير كلمة المرور؟"),
    (Task.MULTILINGUAL, "Ninawezaje kubadilisha nywila yangu ya akaunti?"),
    (Task.MULTILINGUAL, "Translate 'see you tomorrow' into Portuguese."),
    (Task.MULTILINGUAL, "How do you say good luck in Japanese?"),
    (Task.DOCUMENT, "Summarize the following article in two sentences.\n\n" + _NEWS),
    (Task.DOCUMENT, _NEWS * 2 + "\n\nWhen does the work begin?"),
    (Task.DOCUMENT, "Context: " + _NEWS + "\nQuestion: Who promised a shuttle bus?"),
    (Task.DOCUMENT, "Extract all dates and deadlines from this contract:\n" + _NEWS),
    (Task.DOCUMENT, "What does the passage below say about shops?\n" + _NEWS),
    (Task.DOCUMENT, "Rewrite the email below in a friendlier tone.\n\n" + _NEWS),
    (Task.DOCUMENT, "TL;DR please, and list the open action items of this transcript. " + _NEWS),
    (Task.DOCUMENT, "Based on the report, which risks matter most?\n\n" + _NEWS),
    (Task.LONG_CONTEXT, "Compare these chapters.\n" + _NEWS * 60),
    (
        Task.LONG_CONTEXT,
        "What changed between the two versions?\n" + "line of a log file\n" * 2_000,
    ),
)
