"""Words of reasoning: mathematics, quantities, logic, science; for reasoning.py.

Guarantees lower-case words as text.py splits them. Refuses words that only look like a subject.
"""

from pointsman.analysis.text import word_set

# Three points: terms of mathematics alone.
TERMS = word_set(
    """probability integer integers polynomial polynomials equation equations factorial
    hypotenuse quadratic logarithm theorem divisor divisors divisible factors congruent modulo
    remainder vertices perpendicular circumference determinant eigenvalue eigenvalues
    permutations denominator numerator asymptote parabola ellipse hexagon pentagon octagon
    polygon quadrilateral trapezoid cosine sine tangent algebra algebraic inequality
    irrational nonnegative hyperbola bisector convex binomial primes triangle triangles
    radians fraction derivative differentiate cubed exponent coefficients coefficient converge
    converges diverge diverges convergent divergent reciprocal reciprocals"""
)
# One point: terms that also have an everyday meaning.
MATHS = word_set(
    """prime integral integrate proof vertex parallel radius diameter perimeter
    matrix sequence arithmetic geometric combinations fractions decimal roots circle square
    squares rectangle rectangular cube cubes cubic sphere cylinder cone angle angles degrees
    multiple multiples digit digits summation inequalities real rational complex positive
    negative distinct dice coin median mean mode variance graph slope intercept domain range
    maximum minimum inverse expansion units consecutive product sum common root area volume
    length smallest greatest largest least number numbers value divided squared ways solutions
    factor points line lines"""
)
IMPERATIVES = word_set(
    """prove solve simplify compute calculate evaluate derive factor express determine find show
    deduce integrate differentiate round expand"""
)
QUANTITIES = word_set(
    """many much total average percentage percent ratio altogether remaining left difference sum
    combined fraction far long old tall fast often heavy profit cost costs amount number
    probability chance price spend earn earned make pay score save"""
)
ASKS = word_set("how what calculate find determine if when which compute")
PERCENT = word_set("what of discount original off increase decrease interest")
UNITS = word_set(
    """km kmh kph mph miles mile meters metres kg grams liters litres cm mm hours minutes seconds
    knots newtons joules g days"""
)
SUPPOSES = word_set("if each every per than twice half more less times suppose")
CLUES = word_set(
    """clue clues puzzle riddle premise premises conclusion syllogism deduce deduction infer
    inference logic logical logically paradox contradiction counterexample knights knaves liar
    liars truthful assumption hypothesis entail entails implies valid invalid necessarily
    fallacy reasoning therefore possibilities immediately leftmost rightmost conclude concluded
    argument flaw flawed syllogisms paradoxical"""
)
# What a statement is about all, some or none of: with one clue, two of these make a puzzle.
QUANTIFIERS = word_set("every all some none no if only exactly either neither always never")
TRUTH = "truth"
LIES = word_set("lie lies lied lying liar liars")
WHO = word_set("who which what")
SCIENCE = word_set(
    """electron electrons proton protons neutron photon photons quantum wavelength wavelengths
    frequency molecule molecules molecular reaction reactions reagent catalyst enzyme enzymes
    gene genes genome genetic mutation mutant mutations allele chromosome dna rna mrna protein
    proteins cell cells isotope isotopes energy kinetic momentum velocity acceleration mass
    relativistic voltage resistor magnetic electric field spin orbital hamiltonian eigenstate
    operator operators wavefunction spectrum spectra nmr ir ppm ph molar mol mole moles acid
    base equilibrium oxidation synthesis synthesized compound compounds product yield solvent
    solution aqueous hydrogen carbon oxygen nitrogen chlorine sodium atom atoms atomic ion
    ions star stars planet planets orbit galaxy luminosity redshift temperature pressure
    thermodynamic entropy enthalpy symmetry lattice crystal semiconductor chiral
    stereochemistry isomer isomers benzene methyl ethyl ketone aldehyde alcohol transcription
    enantiomer enantiomers nucleophile nucleophilic electrophile electrophilic titration buffer
    inhibitor receptor antibody expression ev nm kj kpc potential charge particle particles
    decay scattering transit stellar phenotype plasmid sequencing amino peptide"""
)
# Of these two are enough in a question of a dozen words: nobody chats about them.
EXAM = word_set(
    """electrons protons neutron wavelength velocity acceleration momentum enantiomer enantiomers
    nucleophile nucleophilic electrophile titration buffer equilibrium enthalpy entropy isomer
    oxidation catalyst eigenstate hamiltonian allele genotype phenotype transcription plasmid
    molar aqueous kinetic torque resistor voltage semiconductor stereochemistry"""
)
STUDIED = word_set(
    """injective surjective bijective bijection homomorphism isomorphism isomorphic abelian subgroup
    coset eigenvalue eigenvalues eigenvector eigenvectors determinant polynomial polynomials
    integrals antiderivative bernoulli heteroscedasticity lemma corollary homeomorphic
    diffeomorphism hypotenuse quadratic logarithm coprime factorial congruent modulo"""
)
# What ties statements to one another: order, place, all or none.
TIES = word_set(
    """before after first last every each all some no none not different only either if same between
    left right next neither nor unless exactly both"""
)
PERSONAL = word_set("i my me we our you your")
NUMBER_WORDS = word_set(
    """two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty
    fifty sixty hundred thousand half twice thrice double triple dozen quarter third times
    percent"""
)
SEQUENCE_CLUES = word_set(
    """left right next between adjacent neither either directly taller older exactly each
    different unique"""
)
# One of these stands in each phrase that reasoning.py looks for: all others need no search.
IN_PHRASES = word_set(
    """prime natural square odd even real common consecutive standard approaches word half sin cos
    tan sqrt"""
)
IN_STEPS = word_set(
    """step show true explain chain justify possible am ways cross follow inferred conclusion order
    reasoning"""
)
CUES = frozenset(("truth",)).union(
    IN_PHRASES,
    IN_STEPS,
    SEQUENCE_CLUES,
    NUMBER_WORDS,
    TERMS,
    MATHS,
    IMPERATIVES,
    QUANTITIES,
    ASKS,
    PERCENT,
    UNITS,
    SUPPOSES,
    CLUES,
    QUANTIFIERS,
    LIES,
    WHO,
    SCIENCE,
    EXAM,
    STUDIED,
    TIES,
    PERSONAL,
)
PUZZLE = CLUES | TERMS
"""Words of puzzles and exercises: a text that has them is none to be read."""
